"""What PyTorch's modules make of SiT's token slimming and its reverse, with random weights.

    python tooling/oracles/trained-reductions.py packages/vision-tokens/test/oracles/trained-reductions.json

Names of parameters are those of Sense-X/SiT (f5778084), models/lvvit.py.
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(5)
TOKENS, KEPT, WIDTH = 9, 4, 6


def values(tensor):
    return [[round(v, 6) for v in row] for row in torch.atleast_2d(tensor.detach()).tolist()]


def randomize(*modules):
    for module in modules:
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.5)
            parameter.data = torch.round(parameter.data * 1024) / 1024


def parameters(**modules):
    named = ((f"{k}.{n}", p) for k, m in modules.items() for n, p in m.named_parameters())
    return {name: values(parameter) for name, parameter in named}


x = torch.round(torch.randn(TOKENS, WIDTH) * 1024) / 1024
weight = nn.Sequential(
    nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH // 2), nn.GELU(), nn.Linear(WIDTH // 2, KEPT)
)
scale = torch.tensor([1.75])
norm1, norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
mlp1 = nn.ModuleDict({"fc1": nn.Linear(KEPT, 4 * TOKENS), "fc2": nn.Linear(4 * TOKENS, TOKENS)})
mlp2 = nn.ModuleDict({"fc1": nn.Linear(WIDTH, 4 * WIDTH), "fc2": nn.Linear(4 * WIDTH, WIDTH)})
randomize(weight, norm1, norm2, mlp1, mlp2)


def mlp(module, rows):
    return module["fc2"](nn.functional.gelu(module["fc1"](rows)))


slimmed = torch.softmax(scale * weight(x), dim=0).T @ x
# The JSON's values are the input of the reverse.
slimmed = torch.tensor(values(slimmed))
rows = mlp(mlp1, norm1(slimmed).T).T
restored = rows + mlp(mlp2, norm2(rows))

cases = parameters(weight=weight, norm1=norm1, norm2=norm2, mlp1=mlp1, mlp2=mlp2)
cases |= {"scale": values(scale), "x": values(x)}
cases |= {"slimmed": values(slimmed), "restored": values(restored)}
source = {
    "repository": "pytorch/pytorch",
    "command": f"python tooling/oracles/trained-reductions.py {sys.argv[1]}",
    "versions": {"torch": torch.__version__},
}
Path(sys.argv[1]).write_text(json.dumps({"source": source, "slim": cases}) + "\n")
