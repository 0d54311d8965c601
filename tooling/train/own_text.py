#!/usr/bin/env python3
"""Sample training rows from the model itself, for what learns to guess its text.

A draft head has to predict what the model says and not what a corpus says, so the model writes the
rows: half of them from the start of a text, half from the beginning of a task. The file is one that
data.py could have made.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import bpe
import reference
import tasks

END_OF_TEXT = 0
BATCH = 128
TEMPERATURE = 0.8
TOP_K = 40


def opening(rng: random.Random, tokenizer: bpe.Tokenizer, length: int) -> list[int]:
    """Draw how a row begins: an end of text, and maybe some of a task after it."""
    if rng.random() < 0.5:
        return [END_OF_TEXT]
    ids = tokenizer.encode("".join(text for text, _ in tasks.short(rng)))
    return [END_OF_TEXT, *ids[: rng.randint(len(ids) // 4, len(ids))]][: length // 2]


@torch.no_grad()
def complete(
    model: reference.Llama, openings: list[list[int]], length: int, generator: torch.Generator
) -> Tensor:
    """Continue every opening to a row of `length` tokens."""
    ids = torch.full((len(openings), length), -1)
    for row, begin in zip(ids, openings):
        row[: len(begin)] = torch.tensor(begin)
    cache: reference.Cache = []
    for at in range(1, length):
        logits = model(ids[:, at - 1 : at], cache, last=True)[:, -1]
        values, candidates = (logits / TEMPERATURE).topk(TOP_K)
        choice = torch.multinomial(torch.softmax(values, -1), 1, generator=generator)
        drawn = candidates.gather(1, choice)[:, 0]
        ids[:, at] = torch.where(ids[:, at] < 0, drawn, ids[:, at])
    return ids


def main() -> None:
    parser = argparse.ArgumentParser(description="Sample training rows from a model.")
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("out", help="output, for instance work/own128.npz")
    parser.add_argument("length", type=int, help="tokens per row")
    parser.add_argument("rows", type=int)
    parser.add_argument("seed", type=int)
    args = parser.parse_args()

    torch.set_num_threads(1)  # On a shared machine two threads wait for each other.
    started = time.time()
    rng = random.Random(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    model = reference.Llama(args.model)
    tokenizer = bpe.load(args.model)
    batches = []
    for start in range(0, args.rows, BATCH):
        count = min(BATCH, args.rows - start)
        openings = [opening(rng, tokenizer, args.length) for _ in range(count)]
        batches.append(complete(model, openings, args.length, generator))
        print(f"{start + count} of {args.rows} rows, {time.time() - started:.0f}s", flush=True)
    ids = torch.cat(batches).numpy().astype(np.uint16)
    np.savez(args.out, ids=ids, w=np.ones(ids.shape, np.uint8))


if __name__ == "__main__":
    main()
