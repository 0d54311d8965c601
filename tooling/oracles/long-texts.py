"""Writes what transformers computes for texts beyond the original length of a model with LongRoPE.

    python tooling/oracles/long-texts.py packages/runtime-node/test/oracles/architectures/phi-3

Reads the model that architectures.py wrote there and adds golden-long.safetensors with
`prompt{i}.input_ids` and `prompt{i}.logits`: texts that transformers is given at once, so that it takes the
long divisors for all positions. Computed in float64 with eager attention, stored as float32.
"""

import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)


def main(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").double().eval()
    generator = torch.Generator().manual_seed(11)
    tensors = {}
    for index, length in enumerate([65, 100]):
        ids = torch.randint(0, model.config.vocab_size, (length,), generator=generator)
        with torch.no_grad():
            logits = model(input_ids=ids[None], use_cache=False).logits[0]
        tensors[f"prompt{index}.input_ids"] = ids
        tensors[f"prompt{index}.logits"] = logits.float().contiguous()
    source = {"source": f"transformers {transformers.__version__}, torch {torch.__version__}"}
    save_file(tensors, Path(folder) / "golden-long.safetensors", metadata=source)


main(sys.argv[1])
