#!/usr/bin/env python3
"""Train draft heads for a frozen model: Medusa's, or a decoder layer as EAGLE has it.

Both learn from the model's own distributions at every position of rows that it wrote itself
(own_text.py), and both end in the model's own head, so their files hold nothing of the vocabulary's
size. Writes config.json and model.safetensors with the names of the published checkpoints.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

import export
import reference

BATCH = 8
WARM_UP_STEPS = 30
SEED = 5
# Of the paper: each head counts less than the one before.
HEAD_DECAY = 0.8
# Noise on the states an EAGLE layer reads, for it will have to read its own.
FEATURE_NOISE = 0.1


class Frozen:
    """The model that drafts are made for."""

    def __init__(self, folder: Path) -> None:
        self.llama = reference.Llama(folder)
        self.config = self.llama.config
        self.table = self.llama.weights["model.embed_tokens.weight"]

    def features(self, ids: Tensor) -> Tensor:
        """Give what the model's head reads, [batch, rows, hidden]."""
        return self.llama.norm(self.llama.states(ids)[-1], "model.norm.weight")

    def logits(self, features: Tensor) -> Tensor:
        """Apply the model's head."""
        return functional.linear(features, self.table)


class Medusa(nn.Module):
    """Heads that each guess one more token ahead: one residual block, then the model's head."""

    def __init__(self, model: Frozen, heads: int) -> None:
        super().__init__()
        self.model = model
        size = model.config["hidden_size"]
        self.blocks = nn.ModuleList([nn.Linear(size, size) for _ in range(heads)])
        for block in self.blocks:
            nn.init.zeros_(block.weight)
            nn.init.zeros_(block.bias)

    def forward(self, features: Tensor) -> list[Tensor]:
        """Give the logits of every head."""
        return [self.model.logits(features + functional.silu(block(features))) for block in self.blocks]

    def loss(self, ids: Tensor, features: Tensor) -> Tensor:
        """Cross-entropy of head k at t with the model's distribution at t + k + 1."""
        wanted = torch.softmax(self.model.logits(features), -1)
        total = torch.zeros(())
        for k, logits in enumerate(self(features)):
            ahead = k + 1
            loss = functional.cross_entropy(
                logits[:, :-ahead].flatten(0, 1).float(), wanted[:, ahead:].flatten(0, 1).float()
            )
            total = total + HEAD_DECAY**k * loss
        return total

    @torch.no_grad()
    def agreement(self, ids: Tensor, features: Tensor) -> list[float]:
        """Give how often each head's first guess is the model's own choice."""
        chosen = self.model.logits(features).argmax(-1)
        return [
            (logits[:, : -k - 1].argmax(-1) == chosen[:, k + 1 :]).float().mean().item()
            for k, logits in enumerate(self(features))
        ]

    def tensors(self) -> dict[str, Tensor]:
        named = {}
        for k, block in enumerate(self.blocks):
            named[f"{k}.0.linear.weight"] = block.weight
            named[f"{k}.0.linear.bias"] = block.bias
        return named

    def folder_config(self) -> dict[str, object]:
        return dict(
            model_type="medusa",
            medusa_num_heads=len(self.blocks),
            medusa_num_layers=1,
            hidden_size=self.model.config["hidden_size"],
            vocab_size=self.model.config["vocab_size"],
            original_lm_head=True,
            torch_dtype="bfloat16",
        )


class Eagle(nn.Module):
    """A decoder layer that guesses the model's next state from its last one and the token after it.

    The layer has no norm before its attention, and what it gives goes to the model's head as it is.
    """

    def __init__(self, model: Frozen, ffn: int) -> None:
        super().__init__()
        self.model = model
        config = model.config
        hidden, self.dim = config["hidden_size"], config["head_dim"]
        width, kv_width = (config[f"num_{kind}_heads"] * self.dim for kind in ("attention", "key_value"))
        self.ffn = ffn
        sizes = {
            "fc": (hidden, 2 * hidden),
            "q": (width, hidden), "k": (kv_width, hidden), "v": (kv_width, hidden), "o": (hidden, width),
            "gate": (ffn, hidden), "up": (ffn, hidden), "down": (hidden, ffn),
        }  # fmt: skip
        self.w = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(size) * 0.5 / math.sqrt(size[1])) for name, size in sizes.items()}
        )
        with torch.no_grad():
            self.w["fc"][:, hidden:] += torch.eye(hidden)
            self.w["o"] *= 0.1
            self.w["down"] *= 0.1
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.norm = nn.Parameter(torch.ones(hidden))

    def forward(self, ids: Tensor, features: Tensor) -> Tensor:
        """Give the state after each pair of a state and the token that follows its own."""
        batch, rows, size = features.shape
        pair = torch.cat([self.model.table[ids], features], -1)
        x = functional.linear(pair, self.w["fc"], self.bias)
        query, key, value = (
            functional.linear(x, self.w[name]).view(batch, rows, -1, self.dim).transpose(1, 2) for name in "qkv"
        )
        mixed = functional.scaled_dot_product_attention(
            self.rotate(query), self.rotate(key), value.float(), is_causal=True, enable_gqa=True
        )
        x = x + functional.linear(mixed.transpose(1, 2).reshape(batch, rows, -1), self.w["o"])
        normed = functional.rms_norm(x, (size,), self.norm, self.model.config["rms_norm_eps"])
        gate = functional.silu(functional.linear(normed, self.w["gate"]))
        return x + functional.linear(gate * functional.linear(normed, self.w["up"]), self.w["down"])

    def rotate(self, rows: Tensor) -> Tensor:
        """Apply the rotary embedding."""
        cos, sin = self.model.llama.cos[: rows.shape[2]], self.model.llama.sin[: rows.shape[2]]
        turned = torch.cat([-rows[..., self.dim // 2 :], rows[..., : self.dim // 2]], -1)
        return rows.float() * cos + turned.float() * sin

    def loss(self, ids: Tensor, features: Tensor) -> Tensor:
        """Distance of the states, and cross-entropy of the distributions that follow from them."""
        noise = FEATURE_NOISE * (2 * torch.rand_like(features[:, :-1]) - 1) * features.std()
        guess = self(ids[:, 1:], features[:, :-1] + noise)
        wanted = torch.softmax(self.model.logits(features[:, 1:]), -1)
        logits = self.model.logits(guess)
        entropy = functional.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(0, 1).float())
        return functional.smooth_l1_loss(guess, features[:, 1:]) + entropy

    @torch.no_grad()
    def agreement(self, ids: Tensor, features: Tensor) -> list[float]:
        """Give how often the layer's choice is the model's own."""
        chosen = self.model.logits(features[:, 1:]).argmax(-1)
        guessed = self.model.logits(self(ids[:, 1:], features[:, :-1])).argmax(-1)
        return [(guessed == chosen).float().mean().item()]

    def tensors(self) -> dict[str, Tensor]:
        named = {"fc.weight": self.w["fc"], "fc.bias": self.bias}
        for name in "qkvo":
            named[f"layers.0.self_attn.{name}_proj.weight"] = self.w[name]
        for name in ("gate", "up", "down"):
            named[f"layers.0.mlp.{name}_proj.weight"] = self.w[name]
        named["layers.0.post_attention_layernorm.weight"] = self.norm
        return named

    def folder_config(self) -> dict[str, object]:
        size = dict(architectures=["LlamaForCausalLM"], num_hidden_layers=1, intermediate_size=self.ffn)
        return {**self.model.config, **size, "bias": True}


def rows_of(path: Path) -> Tensor:
    """Read the ids of a file of rows."""
    return torch.from_numpy(np.load(path)["ids"].astype(np.int64))


def batches(ids: Tensor, count: int) -> Iterator[Tensor]:
    """Give batches of rows, in another order each time around."""
    generator = torch.Generator().manual_seed(SEED)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(count):
        if len(order) < BATCH:
            order = torch.randperm(len(ids), generator=generator)
        yield ids[order[:BATCH]]
        order = order[BATCH:]


def train(model: Frozen, draft: Medusa | Eagle, ids: Tensor, steps: int, rate: float) -> None:
    """Run the schedule: a warm-up, then a cosine to zero; bf16 products."""
    optimizer = torch.optim.AdamW(draft.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.01)
    started = time.time()
    for step, rows in enumerate(batches(ids, steps)):
        warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
        optimizer.param_groups[0]["lr"] = rate * warm_up * 0.5 * (1 + math.cos(math.pi * step / steps))
        with torch.autocast("cpu", torch.bfloat16):
            loss = draft.loss(rows, model.features(rows))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(draft.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step} loss {loss.item():.4f} {time.time() - started:.0f}s", flush=True)


def save(draft: Medusa | Eagle, folder: Path) -> None:
    """Write config.json and model.safetensors, in bf16."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.dumps(draft.folder_config(), indent=2) + "\n"
    (folder / "config.json").write_text(config, encoding="utf-8")
    tensors = {name: tensor.detach().to(torch.bfloat16) for name, tensor in draft.tensors().items()}
    export.save_safetensors(folder / "model.safetensors", tensors, {"format": "pt"})


def main() -> None:
    parser = argparse.ArgumentParser(description="Train draft heads for a frozen model.")
    parser.add_argument("kind", choices=["medusa", "eagle"])
    parser.add_argument("model", type=Path, help="folder of the frozen model")
    parser.add_argument("rows", type=Path, help="training rows, of own_text.py or data.py")
    parser.add_argument("heldout", type=Path, help="rows to measure on")
    parser.add_argument("out", type=Path, help="output folder")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--heads", type=int, default=4, help="Medusa: number of heads")
    parser.add_argument("--ffn", type=int, default=176, help="EAGLE: width of the feed-forward network")
    args = parser.parse_args()

    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # On a shared machine two threads wait for each other.
    model = Frozen(args.model)
    draft = Medusa(model, args.heads) if args.kind == "medusa" else Eagle(model, args.ffn)
    train(model, draft, rows_of(args.rows), args.steps, args.rate)
    save(draft, args.out)
    heldout = rows_of(args.heldout)[:64]
    shares = draft.agreement(heldout, model.features(heldout))
    print("agreement with the model's choice:", " ".join(f"{share:.3f}" for share in shares))


if __name__ == "__main__":
    main()
