#!/usr/bin/env python3
"""Train frugal-tiny and, in the same run, its draft (online distillation).

Reads the rows that data.py made from the work folder, writes target.pt and draft.pt there every
three minutes and at the end, and appends to train.log. The schedule is bounded by time.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model import BF16, HeadTarget, Model, Shape, kernels, pointer

TARGET_SHAPE = Shape(vocabulary=4096, hidden=256, layers=8, heads=4, kv_heads=2, ffn=704)
DRAFT_SHAPE = Shape(vocabulary=4096, hidden=128, layers=2, heads=2, kv_heads=1, ffn=352)

DEFAULT_PHASES = (
    '[["a256.npz",256,24,0.13,10],["a256.npz",256,24,0.22,3],["b512.npz",512,14,0.22,2],'
    '["c1024.npz",1024,8,1,0]]'
)
DEFAULT_HEADS = "[[[1,0,0],[2,2,0],[3,1,1],[4,1,1]],[[0,1,0],[1,0,1]]]"

# Rows of logits that are computed at a time.
LOGIT_ROWS = 1024
FIRST_ORDINARY_ID = 16
WARM_UP_STEPS = 100
SAVE_EVERY = 180.0


class Phase(NamedTuple):
    """A part of the schedule."""

    file: str
    length: int
    rows: int  # per step
    share: float  # of the whole time
    recall: int  # how many of the rows are recall rows


def previous_targets(ids: Tensor) -> Tensor:
    """Give the position before each one; -1 for the first."""
    batch, rows = ids.shape
    return torch.arange(-1, rows - 1).repeat(batch, 1)


def induction_targets(ids: Tensor) -> Tensor:
    """Give, for every position, where token and successor last occurred together.

    The target is the place right after that occurrence; -1 where there is none.
    """
    targets = np.full(tuple(ids.shape), -1, np.int64)
    for row, out in zip(ids.tolist(), targets):
        seen: dict[tuple[int, int], int] = {}
        for i, pair in enumerate(zip(row, row[1:])):
            earlier = seen.get(pair)
            if earlier is not None:
                out[i] = earlier + 1
            seen[pair] = i
    return torch.from_numpy(targets)


def recall_rows(
    rng: np.random.RandomState, count: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Make random-token rows that teach in-context copying, with their weights.

    A row is a repeated random string, or random key/value pairs that are asked for again.
    """
    ids = rng.randint(FIRST_ORDINARY_ID, TARGET_SHAPE.vocabulary, (count, length))
    weights = np.zeros((count, length), np.float32)
    for i in range(count):
        if rng.rand() < 0.65:
            period = rng.randint(6, length // 2 + 1)
            ids[i] = np.tile(ids[i, :period], length // period + 1)[:length]
            weights[i, period + 1 :] = 1
        else:
            pairs = rng.randint(4, length // 4 + 1)
            stated = ids[i, : 2 * pairs]
            asked = stated.reshape(pairs, 2)[rng.randint(0, pairs, length)].reshape(-1)
            ids[i] = np.concatenate([stated, asked])[:length]
            weights[i, 2 * pairs + 1 :: 2] = 1
    return ids, weights


def next_token_weights(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Move weights to the position that predicts the token; for the target and the draft.

    The draft learns from every position, with at least a quarter of the ordinary weight.
    """
    batch, rows = weights.shape
    target = torch.zeros(batch, rows)
    target[:, :-1] = weights[:, 1:]
    target = target.view(-1)
    has_next = torch.ones(batch, rows)
    has_next[:, -1] = 0
    has_next = has_next.view(-1)
    draft = torch.minimum(has_next, target.clamp(min=0.25)) * has_next
    return target, draft


def losses(
    models: list[Model],
    ids: Tensor,
    weights: Tensor,
    data_share: float = 0.3,
    supervision: float = 0.0,
    heads: list[list[list[int]]] | None = None,
) -> tuple[list[Tensor], Tensor]:
    """Fill the gradients of the target and its draft; return token losses and weights.

    The draft's loss is (1 - data_share) x cross-entropy with the target's distribution +
    data_share x cross-entropy with the data. `heads` lists, per model, [layer, head, kind], with
    kind 0 for attending to the previous token and 1 for induction.
    """
    batch, rows = ids.shape
    count = batch * rows
    expected = torch.zeros(batch, rows, dtype=torch.long)
    expected[:, :-1] = ids[:, 1:]
    expected = expected.view(-1)
    target_weights, draft_weights = next_token_weights(weights)
    normalized = [(w / w.sum()).contiguous() for w in (target_weights, draft_weights)]

    hidden = [model.forward(ids) for model in models]
    dhidden = [torch.empty_like(states) for states in hidden]
    token_losses = [torch.empty(count) for _ in models]
    vocabulary = models[0].shape.vocabulary
    for start in range(0, count, LOGIT_ROWS):
        end = start + LOGIT_ROWS
        teacher = None
        if len(models) > 1:
            teacher = torch.empty(LOGIT_ROWS, vocabulary, dtype=BF16)
        for k, model in enumerate(models):
            logits = hidden[k][start:end].mm(model.h["emb"].t())
            kernels().ce(
                pointer(logits), pointer(expected[start:end]), pointer(normalized[k][start:end]),
                pointer(teacher) if k else None, None if k else pointer(teacher), data_share,
                pointer(token_losses[k][start:end]), LOGIT_ROWS, vocabulary,
            )  # fmt: skip
            dhidden[k][start:end] = logits.mm(model.h["emb"])
            model.g["emb"] += logits.t().mm(hidden[k][start:end])

    targets = {}
    if supervision > 0:
        targets = {0: previous_targets(ids), 1: induction_targets(ids)}
    for k, model in enumerate(models):
        by_layer: dict[int, list[HeadTarget]] = {}
        for layer, head, kind in (heads or [[]] * len(models))[k] if targets else []:
            weight = supervision * (1 if kind else 0.5)
            by_layer.setdefault(layer, []).append(HeadTarget(head, targets[kind], weight))
        model.backward(dhidden[k], by_layer)
    return token_losses, target_weights


class Batches:
    """Draws the rows of a phase without repetition, and recall rows beside them."""

    def __init__(self, work: str, phase: Phase, index: int, seed: int) -> None:
        with np.load(os.path.join(work, phase.file)) as data:
            self.ids, self.weights = data["ids"], data["w"]
        self.phase = phase
        self.order = np.random.RandomState(seed + index).permutation(len(self.ids))
        self.recall_random = np.random.RandomState(50 + index)
        self.used = 0

    def next(self, step: int) -> tuple[Tensor, Tensor]:
        """Give ids and weights, the recall rows last; after all rows comes another order."""
        phase = self.phase
        if self.used + phase.rows > len(self.order):
            self.order = np.random.RandomState(step).permutation(len(self.ids))
            self.used = 0
        ordinary = phase.rows - phase.recall
        chosen = self.order[self.used : self.used + ordinary]
        self.used += ordinary
        ids = self.ids[chosen].astype(np.int64)
        weights = self.weights[chosen].astype(np.float32)
        if phase.recall:
            more_ids, more_weights = recall_rows(self.recall_random, phase.recall, phase.length)
            ids = np.concatenate([ids, more_ids])
            weights = np.concatenate([weights, more_weights])
        return torch.from_numpy(ids), torch.from_numpy(weights)


class Threads:
    """Uses two threads only while both cores are free: all wait for the slower one."""

    def __init__(self) -> None:
        self.count = 2
        self.hold = 0
        self.single_rate: float | None = None
        torch.set_num_threads(2)

    def observe(self, rate: float) -> None:
        """Take the tokens per second of a step and choose for the next one."""
        if self.count == 1:
            old = self.single_rate
            self.single_rate = rate if old is None else 0.7 * old + 0.3 * rate
            self.hold -= 1
        elif rate < (self.single_rate or 4500) * 1.05:
            self.hold = 12
        wanted = 1 if self.hold > 0 else 2
        if wanted != self.count:
            self.count = wanted
            torch.set_num_threads(wanted)


class Averages:
    """Running averages of the losses by kind of token."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def update(
        self, step: int, target: Tensor, draft: Tensor, weights: Tensor, ordinary: int
    ) -> None:
        """Take the losses of a step, whose first `ordinary` tokens are not of recall rows."""
        head = weights[:ordinary]
        for name, part in (
            ("prose", target[:ordinary][head == 1]),
            ("answer", target[weights >= 2]),
            ("copy", target[:ordinary][head == 2]),
            ("recall", target[ordinary:][weights[ordinary:] == 1]),
            ("draft", draft[:ordinary][head == 1]),
            ("danswer", draft[weights >= 2]),
        ):
            if len(part) == 0:
                continue
            value = float(part.mean())
            if name in self.values and step >= 20:
                value = 0.97 * self.values[name] + 0.03 * value
            self.values[name] = value


class Training:
    """The two models and the state of their run."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.target = Model(TARGET_SHAPE, 1)
        self.draft = Model(DRAFT_SHAPE, 2)
        self.named = {"target": self.target, "draft": self.draft}
        if args.init:
            for name, model in self.named.items():
                model.load(args.init.replace("*", name))
        self.heads = json.loads(args.heads)
        self.threads = Threads()
        self.averages = Averages()
        self.steps = 0
        self.tokens = 0
        self.started = time.time()
        self.saved = self.started

    @property
    def elapsed(self) -> float:
        return time.time() - self.started

    def save(self, **extra: float) -> None:
        """Write both checkpoints."""
        for name, model in self.named.items():
            path = os.path.join(self.args.work, name + ".pt")
            model.save(path, dict(step=self.steps, tokens=self.tokens, **extra))
        self.saved = time.time()

    def step(self, batches: Batches) -> str:
        """Run one step and describe it."""
        phase = batches.phase
        ids, weights = batches.next(self.steps)
        began = time.time()
        progress = min(1.0, self.elapsed / self.args.seconds)
        supervision = self.args.supervision * max(0.0, 1 - progress / 0.8)
        (target_losses, draft_losses), token_weights = losses(
            [self.target, self.draft], ids, weights, supervision=supervision, heads=self.heads
        )
        self.steps += 1
        self.tokens += ids.numel()
        cosine = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress))
        schedule = min(1.0, self.steps / WARM_UP_STEPS) * cosine
        norms = [
            self.target.step(self.steps, self.args.rate * schedule),
            self.draft.step(self.steps, self.args.draft_rate * schedule),
        ]
        rate = ids.numel() / (time.time() - began)
        self.threads.observe(rate)
        ordinary = (phase.rows - phase.recall) * phase.length
        self.averages.update(self.steps, target_losses, draft_losses, token_weights, ordinary)
        return self.describe(phase, norms, rate)

    def describe(self, phase: Phase, norms: list[float], rate: float) -> str:
        """Give the line of the log."""
        averages = " ".join(f"{name} {value:.3f}" for name, value in self.averages.values.items())
        hits = [hit for model in self.named.values() for hit in model.attention_hits.values()]
        return (
            f"step {self.steps} T {phase.length} tokens {self.tokens / 1e6:.2f}M "
            f"t {self.elapsed:.0f}s {averages} att {' '.join(f'{hit:.2f}' for hit in hits)} "
            f"gn {norms[0]:.2f} {norms[1]:.2f} {rate:.0f} tok/s x{self.threads.count}"
        )

    def run(self, phases: list[Phase]) -> Iterator[str]:
        """Run all phases, each until its share of the time is over; yield what is worth reading."""
        share = 0.0
        for index, phase in enumerate(phases):
            batches = Batches(self.args.work, phase, index, self.args.seed)
            share = min(1.0, share + phase.share)
            while self.elapsed < self.args.seconds * share:
                line = self.step(batches)
                if self.steps % 20 == 0 or self.steps < 5:
                    yield line
                if time.time() - self.saved > SAVE_EVERY:
                    self.save()
            yield f"phase done {phase.file} rows used {batches.used}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train frugal-tiny and its draft.")
    parser.add_argument("work", help="folder of the rows and the checkpoints")
    parser.add_argument("seconds", type=float, help="length of the schedule")
    parser.add_argument(
        "--phases",
        default=DEFAULT_PHASES,
        help="JSON: [[file, length, rows per step, share of time, recall rows among them], ...]",
    )
    parser.add_argument("--init", help="checkpoints to start from, with * for target and draft")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate of the target")
    parser.add_argument("--draft-rate", type=float, default=5e-3, help="and of the draft")
    parser.add_argument("--seed", type=int, default=3, help="of the order of the rows")
    parser.add_argument(
        "--supervision", type=float, default=0.3, help="weight of the attention supervision"
    )
    parser.add_argument(
        "--heads",
        default=DEFAULT_HEADS,
        help="JSON: per model [[layer, head, 0 = previous token or 1 = induction], ...]",
    )
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    torch.manual_seed(1)
    training = Training(args)
    print("params", training.target.size, training.draft.size, flush=True)
    phases = [Phase(*values) for values in json.loads(args.phases)]
    with open(os.path.join(args.work, "train.log"), "a", encoding="utf-8") as log:
        for line in training.run(phases):
            print(line, flush=True)
            log.write(line + "\n")
            log.flush()
    training.save(seconds=training.elapsed)
    print("done", training.steps, training.tokens, flush=True)


if __name__ == "__main__":
    main()
