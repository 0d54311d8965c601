"""Records what transformers makes of the files beside a tokenizer.json.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install transformers==5.18.0
    /tmp/venv/bin/python tooling/oracles/tokenizer-config.py

Writes packages/tokenizers/test/oracles/transformers-config.json: one small tokenizer.json and, for
each case, the files beside it, the number of tokens, and the ids of texts alone and in a pair. Never
part of a test run.
"""

import json
import os
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "critical"

import transformers  # noqa: E402

repository = Path(__file__).parents[2]
output = repository / "packages/tokenizers/test/oracles/transformers-config.json"

texts = ["a b", "a b a b a b", "x<s> <e> a<n>b <i>", "<k>b <b> a", ""]
pair = ["a", "b <e>"]


def added(content, id, **flags):
    token = {"content": content, "single_word": False, "lstrip": False, "rstrip": False}
    return {"id": id, **token, "normalized": False, "special": True, **flags}


def special(id, type_id):
    return {"SpecialToken": {"id": id, "type_id": type_id}}


def sequence(id, type_id):
    return {"Sequence": {"id": id, "type_id": type_id}}


template = {
    "type": "TemplateProcessing",
    "single": [special("<s>", 0), sequence("A", 0)],
    "pair": [special("<s>", 0), sequence("A", 0), special("<s>", 1), sequence("B", 1)],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
}
names = ["<unk>", "<s>", "</s>", "a", "b", "▁", "▁a", "▁b", "<k>", "<", ">", "e", "n", "i", "k", "x", "s"]
tokenizer = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [added("<unk>", 0), added("<s>", 1), added("</s>", 2)],
    "normalizer": {
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ],
    },
    "pre_tokenizer": None,
    "post_processor": None,
    "decoder": None,
    "model": {
        "type": "BPE",
        "unk_token": "<unk>",
        "fuse_unk": True,
        "vocab": {name: id for id, name in enumerate(names)},
        "merges": [["▁", "a"], ["▁", "b"]],
    },
}
roles = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
flag_sets = [{}, {"add_bos_token": False}, {"add_eos_token": True}, {"add_bos_token": True, "add_eos_token": True}]


def case(name, config, post_processor=None, map=None, tokens=None):
    parts = {"config": config, "post_processor": post_processor}
    return {"name": name, **parts, "specialTokensMap": map, "addedTokens": tokens}


def cases():
    for kind in ["PreTrainedTokenizerFast", "LlamaTokenizerFast"]:
        for flags in flag_sets:
            for post_processor in [None, template]:
                what = "a template" if post_processor else "no template"
                flag = ", ".join(f"{key} {value}" for key, value in flags.items()) or "no flags"
                config = {**roles, **flags, "tokenizer_class": kind, "model_max_length": 4}
                yield case(f"{kind} with {what} and {flag}", config, post_processor)
    yield case("a role of a new token", {**roles, "pad_token": "<n>"})
    yield case("roles of two new tokens", {**roles, "pad_token": "<n>", "cls_token": "<e>"})
    yield case("a role of a token of the model", {**roles, "mask_token": "<k>"})
    yield case("a role of its own", {**roles, "image_token": "<i>", "mask_token": "<e>"})
    yield case("additional tokens", {**roles, "additional_special_tokens": ["<k>", "<e>"]})
    yield case("extra tokens", {**roles, "extra_special_tokens": ["<e>", "<n>", "<s>"]})
    yield case("extra tokens by name", {**roles, "extra_special_tokens": {"image_token": "<i>", "x": "<e>"}})
    both = {"additional_special_tokens": ["<k>"], "extra_special_tokens": ["<e>"]}
    yield case("both lists", {**roles, **both})
    flagged = {"__type": "AddedToken", "content": "<e>", "lstrip": True, "rstrip": False, "normalized": False}
    yield case("a role with flags", {**roles, "mask_token": flagged})
    listed = {"17": added("<e>", 17, rstrip=True, special=False), "18": added("<n>", 18)}
    listed = {id: {k: v for k, v in token.items() if k != "id"} for id, token in listed.items()}
    yield case("a list of added tokens", {**roles, "added_tokens_decoder": listed, "pad_token": "<e>"})
    yield case("a list and a role", {**roles, "added_tokens_decoder": listed, "pad_token": "<i>"})
    yield case("a list hides the map", {"added_tokens_decoder": listed}, map={"pad_token": "<i>"})
    yield case("a map", {}, map={**roles, "pad_token": "<n>"})
    yield case("a map over a configuration", {**roles, "pad_token": "<e>"}, map={"pad_token": "<n>"})
    content = {"content": "<e>", "lstrip": True, "normalized": False, "rstrip": True, "single_word": False}
    yield case("a map with flags", roles, map={"mask_token": content})
    yield case("a map with additional tokens", roles, map={"additional_special_tokens": ["<n>", "<k>"]})
    lists = {"extra_special_tokens": ["<e>"]}
    yield case("a map with extra tokens", {**roles, **lists}, map={"extra_special_tokens": ["<n>", "<e>"]})
    yield case("added_tokens.json", roles, tokens={"<e>": 18, "<n>": 17})
    yield case("added_tokens.json with a role", {**roles, "mask_token": "<e>"}, tokens={"<e>": 18, "<n>": 17})
    yield case("added_tokens.json and a map", roles, map={"mask_token": "<n>"}, tokens={"<e>": 18, "<n>": 17})


def record(each):
    with tempfile.TemporaryDirectory() as folder:
        files = {
            "tokenizer.json": {**tokenizer, "post_processor": each["post_processor"]},
            "tokenizer_config.json": each["config"],
            "special_tokens_map.json": each["specialTokensMap"],
            "added_tokens.json": each["addedTokens"],
        }
        for name, content in files.items():
            if content is not None:
                (Path(folder) / name).write_text(json.dumps(content), "utf8")
        made = transformers.AutoTokenizer.from_pretrained(folder)
        ids = [made(text)["input_ids"] for text in texts]
        special = sorted(id for id, token in made.added_tokens_decoder.items() if token.special)
        return {
            **{key: value for key, value in each.items() if value is not None},
            "size": len(made),
            "special": special,
            "ids": ids,
            "pair": made(*pair)["input_ids"],
        }


recorded = {
    "source": {
        "repository": "huggingface/transformers",
        "command": "python tooling/oracles/tokenizer-config.py",
        "versions": {"transformers": transformers.__version__},
    },
    "tokenizer": tokenizer,
    "texts": texts,
    "pairTexts": pair,
    "cases": [record(each) for each in cases()],
}
output.write_text(json.dumps(recorded, ensure_ascii=False) + "\n", "utf8")
