"""Records what the reference makes of lists of words, which its npm package refuses.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tokenizers==0.23.2
    /tmp/venv/bin/python tooling/oracles/encode-words.py

Reads the fixtures of packages/tokenizers; writes test/oracles/encode-words.json there. Never part of
a test run. Ranges are in UTF-16 units of each word.
"""

import json
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer

folder = Path(__file__).parents[2] / "packages/tokenizers/test"
texts = json.loads((folder / "fixtures/texts.json").read_text("utf8"))["test"]
names = [
    "byte-level-bpe",
    "byte-level-split",
    "bpe-byte-fallback",
    "bpe-suffix",
    "wordpiece",
    "unigram",
    "characters",
    "word-level",
]


def units(word):
    at = [0]
    for character in word:
        at.append(at[-1] + (2 if ord(character) > 0xFFFF else 1))
    return at


def record(tokenizer, words, pair):
    encoding = tokenizer.encode(words, pair, is_pretokenized=True)
    offsets = []
    for span, word, sequence in zip(encoding.offsets, encoding.word_ids, encoding.sequence_ids):
        source = "" if word is None or sequence is None else [words, pair][sequence][word]
        offsets += [units(source)[at] if source else at for at in span]
    return {
        "words": words,
        "pair": pair,
        "ids": encoding.ids,
        "offsets": offsets,
        "wordIds": [-1 if word is None else word for word in encoding.word_ids],
        "typeIds": encoding.type_ids,
    }


result = {}
for name in names:
    tokenizer = Tokenizer.from_file(str(folder / f"fixtures/{name}.json"))
    lists = [text[:80].split(" ") for text in texts]
    pairs = [None if i % 3 else lists[i - 1] for i in range(len(lists))]
    result[name] = [record(tokenizer, *each) for each in zip(lists, pairs)]

source = {
    "repository": "huggingface/tokenizers",
    "version": tokenizers.__version__,
    "command": "python tooling/oracles/encode-words.py",
}
rows = ",\n".join(
    f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(r, ensure_ascii=False) for r in items) + "\n]"
    for name, items in result.items()
)
path = folder / "oracles/encode-words.json"
path.write_text(f'{{"source": {json.dumps(source)},\n"items": {{\n{rows}\n}}}}\n', "utf8")
print(path.stat().st_size)
