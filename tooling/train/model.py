"""The trained model: forward and backward pass written out, over the fused kernels of kernels.c.

Matrix products run in bf16 with fp32 accumulation; master weights, residual stream, norms and
optimizer are fp32. Gradients are computed by hand, so that nothing is kept that is not needed.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

HEAD_DIM = 64
EPSILON = 1e-5
SCALE = 0.125  # 1 / sqrt(HEAD_DIM)
ROPE_THETA = 10000.0
MAX_LENGTH = 2048
# Attention is computed for this many queries at a time.
QUERY_BLOCK = 256
BF16 = torch.bfloat16


@functools.cache
def kernels() -> ctypes.CDLL:
    """Compile kernels.c where needed and load it."""
    source = Path(__file__).resolve().with_name("kernels.c")
    library = source.with_suffix(".so")
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        flags = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
        subprocess.check_call(["gcc", *flags, str(source), "-o", str(library), "-lm"])
    loaded = ctypes.CDLL(str(library))
    kinds = {"p": ctypes.c_void_p, "i": ctypes.c_long, "f": ctypes.c_float}
    for name, arguments in {
        "add_norm_fwd": "ppppppiif",
        "norm_bwd": "ppppppii",
        "swiglu_fwd": "ppii",
        "swiglu_bwd": "pppii",
        "split_rope": "ppppppiiii",
        "merge_rope_bwd": "ppppppiiii",
        "softmax_fwd": "piiiif",
        "softmax_bwd": "ppiiiif",
        "ce": "pppppfpii",
        "adamw": "pppppi" + "f" * 8,
    }.items():
        getattr(loaded, name).argtypes = [kinds[kind] for kind in arguments]
    return loaded


def pointer(tensor: Tensor | None) -> int | None:
    """Give the address of a contiguous tensor's values."""
    if tensor is None:
        return None
    if not tensor.is_contiguous():
        raise ValueError("kernels take contiguous tensors")
    return tensor.data_ptr()


class Shape(NamedTuple):
    """The sizes of a model; a head has 64 channels."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int


class HeadTarget(NamedTuple):
    """Attention supervision of one head: where each position should look."""

    head: int
    target: Tensor  # [batch, rows], -1 for positions without a target
    weight: float


@dataclass
class LayerState:
    """What the backward pass of a layer needs."""

    attention_input: Tensor  # residual stream, fp32
    attention_normed: Tensor
    attention_rstd: Tensor
    queries: Tensor
    keys: Tensor
    values: Tensor
    probabilities: list[Tensor]  # one per block of queries
    mixed: Tensor
    ffn_input: Tensor  # residual stream, fp32
    ffn_normed: Tensor
    ffn_rstd: Tensor
    gate_up: Tensor
    gated: Tensor


class Model:
    """A Llama model with tied embeddings, its gradients and its optimizer state.

    `p`, `h` and `g` hold the master weights, their bf16 copies and the gradients by name; all are
    views into flat buffers.
    """

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        matrices = self._matrix_shapes()
        self.decayed = sum(rows * cols for _, (rows, cols) in matrices)
        parameters: list[tuple[str, tuple[int, ...]]] = [*matrices, *self._vector_shapes()]
        self.size = sum(math.prod(size) for _, size in parameters)
        self.master = torch.zeros(self.size)
        self.half = torch.zeros(self.size, dtype=BF16)
        self.grad = torch.zeros(self.size)
        self.first_moment = torch.zeros(self.size)
        self.second_moment = torch.zeros(self.size)
        self.p: dict[str, Tensor] = {}
        self.h: dict[str, Tensor] = {}
        self.g: dict[str, Tensor] = {}
        offset = 0
        for name, size in parameters:
            end = offset + math.prod(size)
            self.p[name] = self.master[offset:end].view(size)
            self.h[name] = self.half[offset:end].view(size)
            self.g[name] = self.grad[offset:end].view(size)
            offset = end
        self._initialize(seed)

        half = HEAD_DIM // 2
        frequencies = ROPE_THETA ** (-torch.arange(half).float() / half)
        angles = torch.arange(MAX_LENGTH).float()[:, None] * frequencies
        self.cos, self.sin = angles.cos().contiguous(), angles.sin().contiguous()
        # Mean attention to the target, by (layer, head), of the last backward pass.
        self.attention_hits: dict[tuple[int, int], float] = {}
        self.states: list[LayerState] = []

    def _matrix_shapes(self) -> list[tuple[str, tuple[int, int]]]:
        vocabulary, hidden, layers, heads, kv_heads, ffn = self.shape
        shapes = [("emb", (vocabulary, hidden))]
        for i in range(layers):
            shapes += [
                (f"qkv{i}", ((heads + 2 * kv_heads) * HEAD_DIM, hidden)),
                (f"o{i}", (hidden, heads * HEAD_DIM)),
                (f"gu{i}", (2 * ffn, hidden)),
                (f"d{i}", (hidden, ffn)),
            ]
        return shapes

    def _vector_shapes(self) -> list[tuple[str, tuple[int]]]:
        hidden = self.shape.hidden
        shapes = [(f"n{k}_{i}", (hidden,)) for i in range(self.shape.layers) for k in (1, 2)]
        return [*shapes, ("nf", (hidden,))]

    def _initialize(self, seed: int) -> None:
        """Draw the matrices; those that write to the residual stream start smaller."""
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.p.items():
            if weight.dim() == 1:
                weight.fill_(1)
                continue
            deviation = 0.04 if name == "emb" else 0.8 / math.sqrt(weight.shape[1])
            if name[0] in "od":
                deviation /= math.sqrt(2 * self.shape.layers)
            weight.copy_(torch.randn(weight.shape, generator=generator) * deviation)
        self.half.copy_(self.master)

    def load(self, path: str) -> None:
        """Take the weights of a checkpoint."""
        for name, weight in torch.load(path)["p"].items():
            self.p[name].copy_(weight)
        self.half.copy_(self.master)

    def save(self, path: str, extra: dict[str, float]) -> None:
        """Write a checkpoint; an interrupted write leaves the old one."""
        weights = {name: weight.clone() for name, weight in self.p.items()}
        torch.save(dict(cfg=tuple(self.shape), p=weights, extra=extra), path + ".tmp")
        os.replace(path + ".tmp", path)

    def _norm(self, x: Tensor, y: Tensor | None, gain: str) -> tuple[Tensor, Tensor, Tensor]:
        """Give x + y, its norm, and the reciprocal root mean squares."""
        rows, hidden = x.shape
        total = torch.empty_like(x)
        out = torch.empty(rows, hidden, dtype=BF16)
        rstd = torch.empty(rows)
        kernels().add_norm_fwd(
            pointer(x), pointer(y), pointer(total), pointer(self.p[gain]), pointer(out),
            pointer(rstd), rows, hidden, EPSILON,
        )  # fmt: skip
        return total, out, rstd

    def _norm_backward(self, dx: Tensor, x: Tensor, dout: Tensor, gain: str, rstd: Tensor) -> None:
        """Add the gradient of a norm's input to `dx` and that of its gain to `g`."""
        rows, hidden = x.shape
        partial = torch.empty(64, hidden)
        kernels().norm_bwd(
            pointer(dx), pointer(x), pointer(dout), pointer(self.p[gain]), pointer(rstd),
            pointer(partial), rows, hidden,
        )  # fmt: skip
        self.g[gain] += partial.sum(0)

    def forward(self, ids: Tensor) -> Tensor:
        """Give normed hidden states, bf16 [batch * rows, hidden], for ids [batch, rows]."""
        self.ids = ids
        self.states = []
        x, y = self.p["emb"][ids.reshape(-1)], None
        for i in range(self.shape.layers):
            attention_input, normed, rstd = self._norm(x, y, f"n1_{i}")
            queries, keys, values = self._project(normed, i)
            probabilities, mixed = self._attend(queries, keys, values)
            y = mixed.mm(self.h[f"o{i}"].t())
            ffn_input, ffn_normed, ffn_rstd = self._norm(attention_input, y, f"n2_{i}")
            gate_up = ffn_normed.mm(self.h[f"gu{i}"].t())
            gated = torch.empty(gate_up.shape[0], self.shape.ffn, dtype=BF16)
            kernels().swiglu_fwd(pointer(gate_up), pointer(gated), gate_up.shape[0], self.shape.ffn)
            y = gated.mm(self.h[f"d{i}"].t())
            x = ffn_input
            self.states.append(
                LayerState(
                    attention_input, normed, rstd, queries, keys, values, probabilities, mixed,
                    ffn_input, ffn_normed, ffn_rstd, gate_up, gated,
                )
            )  # fmt: skip
        self.final = self._norm(x, y, "nf")
        return self.final[1]

    def _project(self, normed: Tensor, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """Give rotated queries [batch * kv_heads, group, rows, 64] and keys, and values."""
        heads, kv_heads = self.shape.heads, self.shape.kv_heads
        batch, rows = self.ids.shape
        qkv = normed.mm(self.h[f"qkv{layer}"].t())
        queries = torch.empty(batch * kv_heads, heads // kv_heads, rows, HEAD_DIM, dtype=BF16)
        keys = torch.empty(batch * kv_heads, rows, HEAD_DIM, dtype=BF16)
        values = torch.empty(batch * kv_heads, rows, HEAD_DIM, dtype=BF16)
        kernels().split_rope(
            pointer(qkv), pointer(self.cos), pointer(self.sin), pointer(queries), pointer(keys),
            pointer(values), batch, rows, heads, kv_heads,
        )  # fmt: skip
        return queries, keys, values

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> tuple[list[Tensor], Tensor]:
        """Give the attention probabilities per block of queries and the mixed values."""
        heads, kv_heads = self.shape.heads, self.shape.kv_heads
        group = heads // kv_heads
        batch, rows = self.ids.shape
        size = min(QUERY_BLOCK, rows)
        mixed = torch.empty(batch, rows, kv_heads, group, HEAD_DIM, dtype=BF16)
        probabilities = []
        for start in range(0, rows, size):
            end = start + size
            block = queries[:, :, start:end].reshape(batch * kv_heads, group * size, HEAD_DIM)
            scores = torch.bmm(block, keys[:, :end].transpose(1, 2))
            kernels().softmax_fwd(
                pointer(scores), batch * kv_heads * group, size, end, start, SCALE
            )
            probabilities.append(scores)
            out = torch.bmm(scores, values[:, :end]).view(batch, kv_heads, group, size, HEAD_DIM)
            mixed[:, start:end] = out.permute(0, 3, 1, 2, 4)
        return probabilities, mixed.view(batch * rows, heads * HEAD_DIM)

    def backward(
        self, dhidden: Tensor, supervision: dict[int, list[HeadTarget]] | None = None
    ) -> None:
        """Add the gradients, given that of what `forward` returned.

        Supervision, by layer, adds weight * mean(-log attention to the target) to the loss.
        """
        x, _, rstd = self.final
        dx = torch.zeros(dhidden.shape[0], self.shape.hidden)
        self._norm_backward(dx, x, dhidden, "nf", rstd)
        for i in reversed(range(self.shape.layers)):
            state = self.states.pop()
            self._ffn_backward(dx, state, i)
            self._attention_backward(dx, state, i, (supervision or {}).get(i, []))
        self.g["emb"].index_add_(0, self.ids.reshape(-1), dx)

    def _ffn_backward(self, dx: Tensor, state: LayerState, layer: int) -> None:
        dy = dx.to(BF16)
        dgated = dy.mm(self.h[f"d{layer}"])
        self.g[f"d{layer}"] += dy.t().mm(state.gated)
        dgate_up = torch.empty_like(state.gate_up)
        kernels().swiglu_bwd(
            pointer(state.gate_up), pointer(dgated), pointer(dgate_up), dx.shape[0], self.shape.ffn
        )
        self.g[f"gu{layer}"] += dgate_up.t().mm(state.ffn_normed)
        dnormed = dgate_up.mm(self.h[f"gu{layer}"])
        self._norm_backward(dx, state.ffn_input, dnormed, f"n2_{layer}", state.ffn_rstd)

    def _attention_backward(
        self, dx: Tensor, state: LayerState, layer: int, supervision: list[HeadTarget]
    ) -> None:
        heads, kv_heads = self.shape.heads, self.shape.kv_heads
        group = heads // kv_heads
        batch, rows = self.ids.shape
        size = min(QUERY_BLOCK, rows)
        dy = dx.to(BF16)
        dmixed = dy.mm(self.h[f"o{layer}"]).view(batch, rows, kv_heads, group, HEAD_DIM)
        self.g[f"o{layer}"] += dy.t().mm(state.mixed)
        dq = torch.empty_like(state.queries)
        dk, dv = torch.zeros_like(state.keys), torch.zeros_like(state.values)
        for block, start in reversed(list(enumerate(range(0, rows, size)))):
            end = start + size
            p = state.probabilities[block]
            dout = dmixed[:, start:end].permute(0, 2, 3, 1, 4)
            dout = dout.reshape(batch * kv_heads, group * size, HEAD_DIM)
            dp = torch.bmm(dout, state.values[:, :end].transpose(1, 2))
            kernels().softmax_bwd(
                pointer(p), pointer(dp), batch * kv_heads * group, size, end, start, SCALE
            )
            by_head = (batch, kv_heads, group, size, end)
            for wanted in supervision:
                self._supervise(wanted, layer, p.view(by_head), dp.view(by_head), start)
            dscores = torch.bmm(dp, state.keys[:, :end])
            dq[:, :, start:end] = dscores.view(batch * kv_heads, group, size, HEAD_DIM)
            queries = state.queries[:, :, start:end]
            queries = queries.reshape(batch * kv_heads, group * size, HEAD_DIM)
            dk[:, :end] += torch.bmm(dp.transpose(1, 2), queries)
            dv[:, :end] += torch.bmm(p.transpose(1, 2), dout)
        dqkv = torch.empty(batch * rows, (heads + 2 * kv_heads) * HEAD_DIM, dtype=BF16)
        kernels().merge_rope_bwd(
            pointer(dq), pointer(dk), pointer(dv), pointer(self.cos), pointer(self.sin),
            pointer(dqkv), batch, rows, heads, kv_heads,
        )  # fmt: skip
        self.g[f"qkv{layer}"] += dqkv.t().mm(state.attention_normed)
        dnormed = dqkv.mm(self.h[f"qkv{layer}"])
        self._norm_backward(dx, state.attention_input, dnormed, f"n1_{layer}", state.attention_rstd)

    def _supervise(
        self, wanted: HeadTarget, layer: int, p: Tensor, dscores: Tensor, start: int
    ) -> None:
        """Add the gradient of -log p[target] of one head to that of the scores of a query block."""
        batch, _, group, size, _ = p.shape
        target = wanted.target[:, start : start + size]
        known = target >= 0
        factor = SCALE * wanted.weight / max(1, int((wanted.target >= 0).sum()))
        index = (wanted.head // group, wanted.head % group)
        gradient = p[:, index[0], index[1]].float()
        at = target.clamp(min=0)[..., None]
        hit = gradient.gather(2, at)[..., 0]
        self.attention_hits[layer, wanted.head] = float(hit[known].mean()) if known.any() else 0.0
        gradient.scatter_add_(2, at, torch.full((batch, size, 1), -1.0))
        gradient *= (known * factor)[..., None]
        dscores[:, index[0], index[1]] += gradient.to(BF16)

    def step(self, step: int, rate: float, decay: float = 0.1, clip: float = 1.0) -> float:
        """Apply AdamW, clear the gradients and return their norm; `step` counts from 1."""
        beta1, beta2 = 0.9, 0.95
        norm = float(self.grad.norm())
        scale = min(1.0, clip / (norm + 1e-6))
        correction1, correction2 = 1 / (1 - beta1**step), 1 / (1 - beta2**step)
        buffers = (self.master, self.half, self.grad, self.first_moment, self.second_moment)
        for start, end, weight_decay in (
            (0, self.decayed, decay),
            (self.decayed, self.size, 0.0),
        ):
            kernels().adamw(
                *(pointer(buffer[start:end]) for buffer in buffers), end - start, rate, beta1,
                beta2, correction1, correction2, 1e-8, weight_decay, scale,
            )  # fmt: skip
        self.grad.zero_()
        return norm
