#!/usr/bin/env python3
"""Plain fp32 forward pass of the exported Llama folders, with a key/value cache.

Independent of the training code: it reads config.json and model.safetensors only.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor

DTYPES = {
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "I64": torch.int64,
    "I32": torch.int32,
}

Cache = list[tuple[Tensor, Tensor]]


def load_safetensors(path: str | Path) -> dict[str, Tensor]:
    """Read every tensor of a safetensors file."""
    raw = Path(path).read_bytes()
    (header_length,) = struct.unpack("<Q", raw[:8])
    start = 8 + header_length
    tensors = {}
    for name, entry in json.loads(raw[8:start]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        data = bytearray(raw[start + begin : start + end])
        tensors[name] = torch.frombuffer(data, dtype=DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


class Llama:
    """A loaded model; calling it gives logits."""

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = load_safetensors(folder / "model.safetensors")
        self.weights = {name: tensor.float() for name, tensor in tensors.items()}
        dim = self.config["head_dim"]
        frequencies = self.config["rope_theta"] ** (-torch.arange(0, dim, 2).float() / dim)
        positions = torch.arange(self.config["max_position_embeddings"] + 64).float()
        angles = positions[:, None] * frequencies
        self.cos = torch.cat([angles.cos()] * 2, -1)
        self.sin = torch.cat([angles.sin()] * 2, -1)

    def norm(self, x: Tensor, name: str) -> Tensor:
        """Apply an RMS norm."""
        variance = x.pow(2).mean(-1, keepdim=True)
        return x * torch.rsqrt(variance + self.config["rms_norm_eps"]) * self.weights[name]

    def attention(self, x: Tensor, layer: int, start: int, cache: Cache | None) -> Tensor:
        """Attend from the rows of `x`, which stand at `start` and after, to them and the cache."""
        heads = self.config["num_attention_heads"]
        kv_heads = self.config["num_key_value_heads"]
        dim = self.config["head_dim"]
        batch, rows, _ = x.shape
        prefix = f"model.layers.{layer}.self_attn."
        cos, sin = self.cos[start : start + rows], self.sin[start : start + rows]

        def project(name: str) -> Tensor:
            y = functional.linear(x, self.weights[f"{prefix}{name}_proj.weight"])
            return y.view(batch, rows, -1, dim).transpose(1, 2)

        def rotate(y: Tensor) -> Tensor:
            turned = torch.cat([-y[..., dim // 2 :], y[..., : dim // 2]], -1)
            return y * cos + turned * sin

        queries, keys, values = rotate(project("q")), rotate(project("k")), project("v")
        if cache is not None:
            if len(cache) > layer:
                keys = torch.cat([cache[layer][0], keys], 2)
                values = torch.cat([cache[layer][1], values], 2)
                cache[layer] = (keys, values)
            else:
                cache.append((keys, values))
        keys = keys.repeat_interleave(heads // kv_heads, 1)
        values = values.repeat_interleave(heads // kv_heads, 1)
        mask = torch.full((rows, start + rows), float("-inf")).triu(start + 1)
        scores = torch.softmax(queries @ keys.transpose(-1, -2) / dim**0.5 + mask, -1)
        mixed = (scores @ values).transpose(1, 2).reshape(batch, rows, heads * dim)
        return functional.linear(mixed, self.weights[prefix + "o_proj.weight"])

    def feed_forward(self, x: Tensor, layer: int) -> Tensor:
        """Apply the gated feed-forward network."""
        prefix = f"model.layers.{layer}.mlp."
        gate = functional.silu(functional.linear(x, self.weights[prefix + "gate_proj.weight"]))
        up = functional.linear(x, self.weights[prefix + "up_proj.weight"])
        return functional.linear(gate * up, self.weights[prefix + "down_proj.weight"])

    @torch.no_grad()
    def states(self, ids: Tensor, cache: Cache | None = None) -> list[Tensor]:
        """Give the input of every layer and the output of the last; extends the cache in place."""
        start = cache[0][0].shape[2] if cache else 0
        states = [self.weights["model.embed_tokens.weight"][ids]]
        for layer in range(self.config["num_hidden_layers"]):
            prefix = f"model.layers.{layer}."
            x = states[-1]
            normed = self.norm(x, prefix + "input_layernorm.weight")
            x = x + self.attention(normed, layer, start, cache)
            normed = self.norm(x, prefix + "post_attention_layernorm.weight")
            states.append(x + self.feed_forward(normed, layer))
        return states

    @torch.no_grad()
    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the final norm and the head to outputs of the last layer."""
        normed = self.norm(hidden, "model.norm.weight")
        return functional.linear(normed, self.weights["model.embed_tokens.weight"])

    def __call__(self, ids: Tensor, cache: Cache | None = None, last: bool = False) -> Tensor:
        """Give logits [batch, rows or 1, vocabulary]; extends the cache in place."""
        hidden = self.states(ids, cache)[-1]
        return self.logits(hidden[:, -1:] if last else hidden)

    def generate(
        self,
        ids: Sequence[int],
        count: int,
        stop: Sequence[int] = (),
        temperature: float = 0.0,
        top_k: int = 40,
        generator: torch.Generator | None = None,
    ) -> list[int]:
        """Continue a text by at most `count` tokens, greedily at temperature 0."""
        cache: Cache = []
        out: list[int] = []
        block = torch.tensor([list(ids)])
        for _ in range(count):
            logits = self(block, cache, last=True)[0, -1]
            if temperature == 0:
                token = int(logits.argmax())
            else:
                values, candidates = (logits / temperature).topk(top_k)
                choice = torch.multinomial(torch.softmax(values, -1), 1, generator=generator)
                token = int(candidates[choice])
            out.append(token)
            if token in stop:
                break
            block = torch.tensor([[token]])
        return out
