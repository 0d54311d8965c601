"""Writes where patches of whole and padded images lie in Idefics3's table of positions.

    python tooling/oracles/patch-positions.py packages/runtime/test/vision/patch-positions.json

The embedding is transformers' own, with a table that holds its row numbers and a patch embedding of
zeros. Each case: cells of the table's side, rows and columns of the image, rows and columns that are no
padding, and the row of the table for every patch.
"""

import json
import sys

import torch
import transformers
from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig
from transformers.models.idefics3.modeling_idefics3 import Idefics3VisionEmbeddings

cases = [(4, 4, 4, 4, 4), (4, 3, 5, 3, 5), (27, 27, 27, 27, 27), (26, 26, 26, 20, 26), (32, 24, 9, 24, 9),
         (14, 14, 14, 9, 5), (24, 7, 13, 6, 11), (16, 31, 18, 31, 17)]


def positions(side, rows, cols, used_rows, used_cols):
    config = Idefics3VisionConfig(hidden_size=1, image_size=side, patch_size=1, num_channels=1)
    embedding = Idefics3VisionEmbeddings(config)
    with torch.no_grad():
        embedding.patch_embedding.weight.zero_()
        embedding.patch_embedding.bias.zero_()
        embedding.position_embedding.weight.copy_(torch.arange(side**2).float()[:, None])
        mask = torch.zeros((1, rows, cols), dtype=torch.bool)
        mask[:, :used_rows, :used_cols] = True
        return embedding(torch.zeros((1, 1, rows, cols)), mask)[0, :, 0].int().tolist()


def main(target):
    made = [dict(case=case, positions=positions(*case)) for case in cases]
    content = dict(source=f"transformers {transformers.__version__}", cases=made)
    with open(target, "w") as file:
        file.write(json.dumps(content, separators=(",", ":")) + "\n")


main(sys.argv[1])
