#!/usr/bin/env python3
"""Train a Kangaroo adapter: what the layers behind an early exit would say, from the exit's states.

One attention layer between two norms, without a feed-forward network, under the frozen model's own
head. The loss is the cross-entropy with the model's distribution at every position, as in
arXiv:2404.18911. Writes the published layout: config.json, tensors `layers.0...` and `norm.weight`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

import export
import reference

ROWS = 6
WARM_UP_STEPS = 40
PEAK_RATE = 3e-3
SEED = 7


class Adapter(nn.Module):
    """Norm, self-attention with a residual, norm; of the shape that the model's own layers have."""

    def __init__(self, model: reference.Llama) -> None:
        super().__init__()
        config = model.config
        self.model = model
        self.dim = config["head_dim"]
        hidden = config["hidden_size"]
        width = config["num_attention_heads"] * self.dim
        kv_width = config["num_key_value_heads"] * self.dim
        sizes = dict(q=width, k=kv_width, v=kv_width)
        shapes = {name: (size, hidden) for name, size in sizes.items()} | {"o": (hidden, width)}
        self.projections = nn.ParameterDict(
            {
                name: nn.Parameter(torch.randn(shape) * 0.5 / math.sqrt(shape[1]))
                for name, shape in shapes.items()
            }
        )
        with torch.no_grad():
            self.projections["o"] *= 0.1
        self.input_norm = nn.Parameter(torch.ones(hidden))
        self.final_norm = nn.Parameter(model.weights["model.norm.weight"].clone())

    def forward(self, hidden: Tensor) -> Tensor:
        """Give logits [batch, rows, vocabulary] for states [batch, rows, hidden]."""
        batch, rows, size = hidden.shape
        epsilon = self.model.config["rms_norm_eps"]
        normed = functional.rms_norm(hidden, (size,), self.input_norm, epsilon)

        def project(name: str) -> Tensor:
            out = functional.linear(normed, self.projections[name])
            return out.view(batch, rows, -1, self.dim).transpose(1, 2)

        query, key, value = (project(name) for name in "qkv")
        mixed = functional.scaled_dot_product_attention(
            self.rotate(query), self.rotate(key), value.float(), is_causal=True, enable_gqa=True
        )
        mixed = mixed.transpose(1, 2).reshape(batch, rows, -1)
        out = hidden + functional.linear(mixed, self.projections["o"])
        final = functional.rms_norm(out, (size,), self.final_norm, epsilon)
        return functional.linear(final, self.model.weights["model.embed_tokens.weight"])

    def rotate(self, rows: Tensor) -> Tensor:
        """Apply the rotary embedding."""
        cos, sin = self.model.cos[: rows.shape[2]], self.model.sin[: rows.shape[2]]
        turned = torch.cat([-rows[..., self.dim // 2 :], rows[..., : self.dim // 2]], -1)
        return rows.float() * cos + turned.float() * sin

    def tensors(self) -> dict[str, Tensor]:
        """Name the weights as the published adapters do, in bf16."""
        prefix = "layers.0.self_attn."
        named = {f"{prefix}{name}_proj.weight": p for name, p in self.projections.items()}
        named["layers.0.input_layernorm.weight"] = self.input_norm
        named["norm.weight"] = self.final_norm
        return {name: p.detach().to(torch.bfloat16) for name, p in named.items()}


def rows_of(path: str) -> Tensor:
    """Read the ids of a file that data.py made."""
    return torch.from_numpy(np.load(path)["ids"].astype(np.int64))


def rate_at(step: int, steps: int) -> float:
    """Warm up, then a cosine to zero."""
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    return PEAK_RATE * warm_up * 0.5 * (1 + math.cos(math.pi * step / steps))


def train(
    model: reference.Llama, adapter: Adapter, ids: Tensor, exit_layer: int, steps: int
) -> None:
    """Run the schedule; bf16 products, everything else in fp32."""
    optimizer = torch.optim.AdamW(adapter.parameters(), betas=(0.9, 0.95), weight_decay=0.01)
    started = time.time()
    for step in range(steps):
        first = step * ROWS % (len(ids) - ROWS + 1)
        optimizer.param_groups[0]["lr"] = rate_at(step, steps)
        with torch.autocast("cpu", torch.bfloat16):
            states = model.states(ids[first : first + ROWS])
            wanted = torch.softmax(model.logits(states[-1]).float(), -1)
            logits = adapter(states[exit_layer])
        loss = functional.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(0, 1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(adapter.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step} loss {loss.item():.4f} {time.time() - started:.0f}s", flush=True)


@torch.no_grad()
def agreement(
    model: reference.Llama, ids: Tensor, exit_layer: int, draft: Callable[[Tensor], Tensor]
) -> tuple[float, float]:
    """Give how often the greedy choices agree, and the mean overlap of the two distributions."""
    same = overlap = 0.0
    for rows in ids.split(ROWS):
        states = model.states(rows)
        wanted, drafted = model.logits(states[-1]), draft(states[exit_layer])
        same += (wanted.argmax(-1) == drafted.argmax(-1)).sum().item()
        overlap += torch.minimum(wanted.softmax(-1), drafted.softmax(-1)).sum().item()
    return same / ids.numel(), overlap / ids.numel()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a Kangaroo adapter for a frozen model.")
    parser.add_argument("model", type=Path, help="folder of the frozen model")
    parser.add_argument("rows", help="training rows of data.py")
    parser.add_argument("heldout", help="rows of held-out text, of data.py")
    parser.add_argument("out", type=Path, help="output folder")
    parser.add_argument("--exit-layer", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1200)
    args = parser.parse_args()

    torch.manual_seed(SEED)
    model = reference.Llama(args.model)
    adapter = Adapter(model)
    train(model, adapter, rows_of(args.rows), args.exit_layer, args.steps)
    heldout = rows_of(args.heldout)
    for name, draft in (("adapter", adapter), ("early exit alone", model.logits)):
        same, overlap = agreement(model, heldout, args.exit_layer, draft)
        print(f"{name}: greedy agreement {same:.3f}, overlap {overlap:.3f}")
    args.out.mkdir(parents=True, exist_ok=True)
    config = {**model.config, "architectures": ["AdapterModel"], "num_hidden_layers": 1}
    (args.out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    metadata = {"format": "pt", "exit_layer": str(args.exit_layer)}
    export.save_safetensors(args.out / "model.safetensors", adapter.tensors(), metadata)


if __name__ == "__main__":
    main()
