#!/usr/bin/env python3
"""Write a checkpoint as a Hugging Face Llama folder (bf16 safetensors) with golden.safetensors."""

from __future__ import annotations

import argparse
import json
import shutil
import struct
from pathlib import Path

import torch
from torch import Tensor

import bpe
import reference

GOLDEN_PROMPTS = [
    "Once upon a time there lived a king who had three sons, and the youngest",
    "<|user|>My name is Lily.<|end|><|assistant|>Nice to meet you, Lily.<|end|>"
    "<|user|>What is my name?<|end|><|assistant|>",
    "Record:\nname: Tom\nage: 7\ncity: York\nhappy: yes\nJSON:",
]
DTYPE_NAMES = {dtype: name for name, dtype in reference.DTYPES.items()}
HEAD_DIM = 64


def tensor_bytes(tensor: Tensor) -> bytes:
    """Give the values in little-endian order; numpy has no bf16, so that goes as int16."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def save_safetensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write the header length, the JSON header padded to 8 bytes, and the values without gaps."""
    header: dict[str, object] = {"__metadata__": metadata}
    blobs = []
    offset = 0
    for name, tensor in tensors.items():
        tensor = tensor.contiguous()
        raw = tensor_bytes(tensor)
        header[name] = dict(
            dtype=DTYPE_NAMES[tensor.dtype],
            shape=list(tensor.shape),
            data_offsets=[offset, offset + len(raw)],
        )
        offset += len(raw)
        blobs.append(raw)
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(encoded)))
        file.write(encoded)
        for blob in blobs:
            file.write(blob)


def llama_tensors(checkpoint: dict) -> dict[str, Tensor]:
    """Name the checkpoint's weights as Hugging Face does, in bf16."""
    _, _, layers, heads, kv_heads, ffn = checkpoint["cfg"]
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in checkpoint["p"].items()}
    out = {"model.embed_tokens.weight": weights["emb"]}
    for i in range(layers):
        prefix = f"model.layers.{i}."
        sizes = [heads * HEAD_DIM, kv_heads * HEAD_DIM, kv_heads * HEAD_DIM]
        query, key, value = weights[f"qkv{i}"].split(sizes)
        gate, up = weights[f"gu{i}"].split([ffn, ffn])
        out[prefix + "self_attn.q_proj.weight"] = query
        out[prefix + "self_attn.k_proj.weight"] = key
        out[prefix + "self_attn.v_proj.weight"] = value
        out[prefix + "self_attn.o_proj.weight"] = weights[f"o{i}"]
        out[prefix + "mlp.gate_proj.weight"] = gate
        out[prefix + "mlp.up_proj.weight"] = up
        out[prefix + "mlp.down_proj.weight"] = weights[f"d{i}"]
        out[prefix + "input_layernorm.weight"] = weights[f"n1_{i}"]
        out[prefix + "post_attention_layernorm.weight"] = weights[f"n2_{i}"]
    out["model.norm.weight"] = weights["nf"]
    return out


def llama_config(checkpoint: dict) -> dict[str, object]:
    """Give the config.json."""
    vocabulary, hidden, layers, heads, kv_heads, ffn = checkpoint["cfg"]
    return dict(
        architectures=["LlamaForCausalLM"],
        model_type="llama",
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=ffn,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=HEAD_DIM,
        hidden_act="silu",
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
        rope_scaling=None,
        tie_word_embeddings=True,
        attention_bias=False,
        mlp_bias=False,
        attention_dropout=0.0,
        initializer_range=0.02,
        use_cache=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=1,
        torch_dtype="bfloat16",
    )


GENERATION_CONFIG = dict(
    eos_token_id=[0, 4],
    pad_token_id=1,
    do_sample=True,
    temperature=0.8,
    top_k=40,
    max_length=1024,
)


def golden_tensors(folder: Path) -> dict[str, Tensor]:
    """Compute the logits of the golden prompts in fp32 from the stored weights."""
    model = reference.Llama(folder)
    tokenizer = bpe.load(folder)
    out = {}
    for i, prompt in enumerate(GOLDEN_PROMPTS):
        ids = torch.tensor(tokenizer.encode(prompt))
        out[f"prompt{i}.input_ids"] = ids
        out[f"prompt{i}.logits"] = model(ids[None])[0].float()
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a checkpoint as a Hugging Face folder.")
    parser.add_argument("checkpoint", help="for instance work/target.pt")
    parser.add_argument("tokenizer", type=Path, help="folder of tokenizer.json")
    parser.add_argument("out", type=Path, help="output folder")
    args = parser.parse_args()

    checkpoint = torch.load(args.checkpoint)
    args.out.mkdir(parents=True, exist_ok=True)
    tensors = llama_tensors(checkpoint)
    save_safetensors(args.out / "model.safetensors", tensors, {"format": "pt"})
    for name, content in (
        ("config.json", llama_config(checkpoint)),
        ("generation_config.json", GENERATION_CONFIG),
    ):
        (args.out / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(args.tokenizer / name, args.out)
    prompts = {f"prompt{i}": prompt for i, prompt in enumerate(GOLDEN_PROMPTS)}
    save_safetensors(args.out / "golden.safetensors", golden_tensors(args.out), prompts)
    parameters = sum(tensor.numel() for tensor in tensors.values())
    print(args.out, "parameters", parameters, "extra", checkpoint["extra"])


if __name__ == "__main__":
    main()
