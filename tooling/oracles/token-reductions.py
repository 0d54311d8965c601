"""What VisPruner, LLaVA-Scissor and MustDrop make of random features, from their definitions.

    python tooling/oracles/token-reductions.py packages/vision-tokens/test/oracles/token-reductions.json

Written with matrices of all pairs, by the rules of ModelTC/LightCompress and HumanMLLM/LLaVA-Scissor
(with links of all rows instead of a sample), and without their code.
"""

import json
import sys
from pathlib import Path

import numpy as np
import scipy
from scipy.sparse.csgraph import connected_components

rng = np.random.default_rng(11)


def features(rows, cols, kinds):
    """Noisy copies of a few directions, exact in float32."""
    base = rng.standard_normal((kinds, cols))
    x = base[rng.integers(kinds, size=rows)] + 0.3 * rng.standard_normal((rows, cols))
    return np.round(x * 64) / 64


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def vispruner(n, cols, count, important, kinds=6):
    x, attention = features(n, cols, kinds), rng.permutation(n) + 1.0
    order = np.argsort(-attention)
    rest, wanted = order[important:], count - important
    u = unit(x)
    while wanted and (leaving := min(8, len(rest) - wanted)) > 0:
        a, b = rest[::2], rest[1::2]
        best = (u[a] @ u[b].T).max(axis=1)
        leaving = min(leaving, len(a))
        rest = np.concatenate([a[np.argsort(-best)[leaving:]], b])
    rest = rest if wanted else rest[:0]
    keep = sorted([*order[:important].tolist(), *rest.tolist()])
    return {"x": x.ravel().tolist(), "attention": attention.tolist(), "count": count, "keep": keep}


def scissor(frames, per_frame, cols, threshold):
    x = features(frames * per_frame, cols, 5)

    def components(rows):
        count, labels = connected_components(unit(rows) @ unit(rows).T > threshold, directed=False)
        return np.stack([rows[labels == label].mean(axis=0) for label in range(count)])

    means = np.concatenate([components(x[f * per_frame :][:per_frame]) for f in range(frames)])
    representatives = components(means)
    joins = (unit(x) @ unit(representatives).T).argmax(axis=1)
    y = [
        (row + x[joins == i].sum(axis=0)) / (1 + (joins == i).sum())
        for i, row in enumerate(representatives)
    ]
    return {
        "x": x.ravel().tolist(),
        "cols": cols,
        "perFrame": per_frame,
        "threshold": threshold,
        "y": sorted(np.stack(y).tolist()),
    }


def mustdrop(rows, cols, side, threshold, width):
    x = features(rows * cols, width, 2).reshape(rows, cols, width)
    out, merged = [], 0
    for top in range(0, rows, side):
        for left in range(0, cols, side):
            cells = x[top : top + side, left : left + side].reshape(-1, width)
            pairs = unit(cells) @ unit(cells).T
            size = len(cells)
            mean = (pairs.sum() - np.trace(pairs)) / (size * (size - 1))
            merged += int(mean >= threshold)
            out += [cells.mean(axis=0)] if mean >= threshold else list(cells)
    return {
        "x": x.ravel().tolist(),
        "grid": [rows, cols],
        "width": width,
        "side": side,
        "threshold": threshold,
        "merged": merged,
        "y": sorted(np.stack(out).tolist()),
    }


out = {
    "source": {
        "repository": "none, rules of ModelTC/LightCompress and HumanMLLM/LLaVA-Scissor",
        "command": "python tooling/oracles/token-reductions.py",
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
    },
    "vispruner": [
        vispruner(64, 8, 20, 10),
        vispruner(61, 8, 3, 1),
        vispruner(20, 5, 1, 0),
        vispruner(200, 24, 12, 6, 200),
    ],
    "scissor": [scissor(3, 12, 6, 0.9), scissor(2, 16, 4, 0.95), scissor(1, 20, 6, 0.8)],
    "mustdrop": [mustdrop(6, 9, 3, 0.6, 4), mustdrop(4, 4, 2, 0.7, 3)],
}
Path(sys.argv[1]).write_text(json.dumps(out) + "\n")
