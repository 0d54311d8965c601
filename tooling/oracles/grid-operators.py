"""What PyTorch makes of grids that are pooled, resized and shuffled, and scikit-learn of outliers.

    python tooling/oracles/grid-operators.py packages/vision-tokens/test/oracles/grid-operators.json

Values are exact in float32. Of scikit-learn, lists of distinct distances are taken, since it leaves
open which of equally distant values are neighbours.
"""

import json
import sys
from pathlib import Path

import numpy as np
import sklearn
import torch
import torch.nn.functional as F
from sklearn.neighbors import LocalOutlierFactor

rng = np.random.default_rng(7)


def flat(x):
    """A row of features per cell, in raster order."""
    return x[0].permute(1, 2, 0).flatten().tolist()


def grid_case(before, after, width=3):
    values = rng.integers(-64, 64, size=(1, width, *before)) / 8
    x = torch.tensor(values, dtype=torch.float32)
    case = {"from": before, "to": after, "width": width, "x": flat(x)}
    case["bilinear"] = flat(F.interpolate(x, size=after, mode="bilinear", align_corners=False))
    case["nearest"] = flat(F.interpolate(x, size=after, mode="nearest"))
    if after[0] <= before[0] and after[1] <= before[1]:
        case["average"] = flat(F.adaptive_avg_pool2d(x, after))
    return case


def shuffle_case(height, width, side, channels=2):
    """Idefics3's `pixel_shuffle`, by its views and permutations."""
    x = torch.arange(height * width * channels, dtype=torch.float32)
    y = x.view(1, height, width // side, channels * side).permute(0, 2, 1, 3)
    y = y.reshape(1, width // side, height // side, channels * side**2).permute(0, 2, 1, 3)
    return {"grid": [height, width], "side": side, "width": channels, "y": y.flatten().tolist()}


def outlier_case(count, neighbors):
    values = np.float32(rng.standard_normal(count) ** 3)
    model = LocalOutlierFactor(n_neighbors=neighbors)
    outlier = model.fit_predict(values.astype(np.float64)[:, None]) < 0
    factors = (-model.negative_outlier_factor_).tolist()
    return {
        "values": values.tolist(),
        "neighbors": neighbors,
        "factors": factors,
        "outliers": int(outlier.sum()),
    }


grids = [([4, 5], [3, 2]), ([4, 5], [3, 7]), ([6, 6], [3, 3]), ([7, 3], [7, 3]), ([3, 4], [1, 1])]
out = {
    "source": {
        "repository": "pytorch/pytorch, scikit-learn/scikit-learn",
        "command": "python tooling/oracles/grid-operators.py",
        "versions": {
            "torch": torch.__version__,
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
        },
    },
    "grids": [grid_case(*sizes) for sizes in grids + [([32, 1], [12, 1]), ([2, 2], [5, 4])]],
    "shuffles": [shuffle_case(4, 6, 2), shuffle_case(3, 3, 3), shuffle_case(8, 4, 4, 1)],
    "outliers": [outlier_case(60, 5), outlier_case(200, 20), outlier_case(4, 9), outlier_case(2, 1)],
}
Path(sys.argv[1]).write_text(json.dumps(out) + "\n")
