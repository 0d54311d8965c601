"""Trains a small unigram model and records what sentencepiece's n-best search makes of texts.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install sentencepiece==0.2.2
    /tmp/venv/bin/python tooling/oracles/sentencepiece-nbest.py

Reads packages/tokenizers/test/fixtures/texts.json, whose texts were written for this project; writes
packages/tokenizers/test/oracles/sentencepiece-nbest.json with the model in base64. Never part of a
test run.
"""

import base64
import io
import json
from pathlib import Path

import sentencepiece

package = Path(__file__).parents[2] / "packages/tokenizers/test"
texts = json.loads((package / "fixtures/texts.json").read_text("utf8"))
model = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(texts["training"]),
    model_writer=model,
    model_type="unigram",
    vocab_size=420,
    character_coverage=0.995,
    normalization_rule_name="identity",
    user_defined_symbols=["[mine]"],
    hard_vocab_limit=False,
    minloglevel=2,
)
processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
lines = [text[:60] for text in texts["test"]] + ["a boat [mine] in", "the the", "", " ", "ab"]
count = 12
items = []
for line in lines:
    best = processor.encode(line)
    nbests = processor.nbest_encode(line, nbest_size=count)
    items.append({"text": line, "best": best, "nbests": nbests})
result = {
    "source": {
        "repository": "google/sentencepiece",
        "version": sentencepiece.__version__,
        "command": "python tooling/oracles/sentencepiece-nbest.py",
    },
    "count": count,
    "model": base64.b64encode(model.getvalue()).decode(),
}
rows = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
path = package / "oracles/sentencepiece-nbest.json"
head = json.dumps(result, indent=1)[:-2]
path.write_text(f'{head},\n "items": [\n{rows}\n]\n}}\n', "utf8")
print(len(model.getvalue()), path.stat().st_size, len(items))
