"""Trains the fixture tokenizers of packages/tokenizers and records what the reference makes of texts.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tokenizers==0.23.2
    /tmp/venv/bin/python tooling/oracles/train-tokenizers.py

Reads packages/tokenizers/test/fixtures/texts.json, whose texts were written for this project; writes
`<name>.json`, a small tokenizer of each kind, and `<name>.expected.json` beside it. Never part of a
test run. Offsets are in UTF-16 units. Training breaks ties by hash order, so another run gives other
tokenizers of the same kinds.
"""

import json
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

folder = Path(__file__).parents[2] / "packages/tokenizers/test/fixtures"
texts = json.loads((folder / "texts.json").read_text("utf8"))
version = tokenizers.__version__
quiet = {"show_progress": False}
byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]


def train(tokenizer, trainer):
    tokenizer.train_from_iterator(texts["training"], trainer)
    return tokenizer


def byte_level_bpe():
    """As GPT-2: bytes cut by its own pattern, a space in front of a text that has none."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return train(
        tokenizer,
        trainers.BpeTrainer(
            vocab_size=800, initial_alphabet=alphabet, special_tokens=["<|end|>"], **quiet
        ),
    )


def byte_level_split():
    """As Llama 3 and Qwen 2: NFC, a pattern with look-ahead, a template, tokens of every flag."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|start|>", "<|end|>"]
    train(
        tokenizer,
        trainers.BpeTrainer(
            vocab_size=800, initial_alphabet=alphabet, special_tokens=special, **quiet
        ),
    )
    tokenizer.add_tokens(
        [
            AddedToken("boat", single_word=True, normalized=True, special=False),
            AddedToken("[MASK]", lstrip=True, rstrip=True, normalized=False, special=True),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|start|> $A", pair="<|start|> $A <|start|> $B", special_tokens=[("<|start|>", 0)]
    )
    return tokenizer


def bpe_byte_fallback():
    """As Llama 2: spaces as U+2581, characters that are unknown as bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    # Trained on words, or else a token would span several of them; applied without, as there.
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    special = ["<unk>", "<s>", "</s>", *byte_tokens]
    train(
        tokenizer,
        trainers.BpeTrainer(
            vocab_size=900, limit_alphabet=150, special_tokens=special, **quiet
        ),
    )
    file = json.loads(tokenizer.to_str())
    file["pre_tokenizer"] = None
    file["added_tokens"] = [token for token in file["added_tokens"] if token["id"] < 3]
    tokenizer = Tokenizer.from_str(json.dumps(file))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def bpe_suffix():
    """As CLIP and the first GPT: lower case, words that end with a mark."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    return train(
        tokenizer,
        trainers.BpeTrainer(
            vocab_size=800, end_of_word_suffix="</w>", special_tokens=["<unk>", "<s>"], **quiet
        ),
    )


def wordpiece():
    """As BERT."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    train(tokenizer, trainers.WordPieceTrainer(vocab_size=900, special_tokens=special, **quiet))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def unigram(byte_fallback):
    """As T5, or with bytes for what is unknown as newer ones."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    special = ["<pad>", "</s>", "<unk>"]
    train(
        tokenizer,
        trainers.UnigramTrainer(
            vocab_size=700, unk_token="<unk>", special_tokens=special, **quiet
        ),
    )
    if byte_fallback:
        file = json.loads(tokenizer.to_str())
        file["model"]["vocab"] += [[token, -20.0] for token in byte_tokens]
        file["model"]["byte_fallback"] = True
        tokenizer = Tokenizer.from_str(json.dumps(file))
        tokenizer.decoder = decoders.Sequence(
            [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="always")]
        )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def characters():
    """Each character a token."""
    alphabet = sorted({character for text in texts["training"] for character in text})
    vocab = {token: i for i, token in enumerate(["<unk>", "<s>", *alphabet])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(["<s>"])
    return tokenizer


def word_level():
    """Whole words, digits one by one, everything else apart."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)]
    )
    special = ["<unk>", "<s>"]
    return train(tokenizer, trainers.WordLevelTrainer(special_tokens=special, **quiet))


def expectation(tokenizer, text):
    units = [0]
    for character in text:
        units.append(units[-1] + (2 if ord(character) > 0xFFFF else 1))
    plain = tokenizer.encode(text, add_special_tokens=False)
    full = tokenizer.encode(text)
    return {
        "ids": plain.ids,
        "offsets": [units[at] for span in plain.offsets for at in span],
        "special": full.ids,
        "decoded": tokenizer.decode(plain.ids, skip_special_tokens=False),
        "decodedSkip": tokenizer.decode(full.ids, skip_special_tokens=True),
    }


kinds = {
    "byte-level-bpe": byte_level_bpe,
    "byte-level-split": byte_level_split,
    "bpe-byte-fallback": bpe_byte_fallback,
    "bpe-suffix": bpe_suffix,
    "wordpiece": wordpiece,
    "unigram": lambda: unigram(False),
    "unigram-byte-fallback": lambda: unigram(True),
    "characters": characters,
    "word-level": word_level,
}

for name, make in kinds.items():
    tokenizer = make()
    path = folder / f"{name}.json"
    path.write_text(tokenizer.to_str() + "\n", "utf8")
    source = {
        "library": "huggingface/tokenizers",
        "version": version,
        "command": "python tooling/oracles/train-tokenizers.py",
    }
    rows = [json.dumps(expectation(tokenizer, text), ensure_ascii=False) for text in texts["test"]]
    expected = folder / f"{name}.expected.json"
    expected.write_text(
        f'{{\n"source": {json.dumps(source)},\n"items": [\n' + ",\n".join(rows) + "\n]\n}\n",
        "utf8",
    )
    print(name, tokenizer.get_vocab_size(), path.stat().st_size, expected.stat().st_size)
