"""Writes a tiny random Llama in the packings of GPTQ and AWQ, and what transformers computes.

    python tooling/oracles/packed-weights.py packages/runtime-node/test/oracles/packed-weights

Weights are rounded to groups first; the packed integers are written by the layouts that
ModelCloud/GPTQModel and casper-hansen/AutoAWQ publish, from the integers and not from each other,
and golden.safetensors has the logits of transformers over the dequantized float32 weights.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

GROUP, VOCAB = 16, 97
config = LlamaConfig(
    vocab_size=VOCAB,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    tie_word_embeddings=False,
)
variants = {
    "gptq": dict(quant_method="gptq", bits=4, checkpoint_format="gptq", desc_act=False),
    "gptq-8": dict(quant_method="gptq", bits=8, checkpoint_format="gptq", desc_act=False),
    "gptq-v2": dict(quant_method="gptq", bits=4, checkpoint_format="gptq_v2", desc_act=False),
    "awq": dict(quant_method="awq", bits=4, version="gemm", zero_point=True),
}


def round_groups(weight, bits):
    """Integers [outputs, inputs], scales and zero points [outputs, groups]."""
    top = 2**bits - 1
    groups = weight.reshape(weight.shape[0], -1, GROUP)
    low = np.minimum(groups.min(-1), 0)
    high = np.maximum(groups.max(-1), 0)
    scales = ((high - low) / top).astype(np.float16).astype(np.float32)
    zeros = np.clip(np.rint(-low / scales), 1, top).astype(np.int64)
    integers = np.clip(np.rint(groups / scales[..., None]) + zeros[..., None], 0, top)
    return integers.reshape(weight.shape).astype(np.int64), scales, zeros


def words(values, bits, order=None):
    """Packs the last axis, the first value in the lowest bits."""
    per = 32 // bits
    parts = values.reshape(*values.shape[:-1], -1, per)
    if order is not None:
        parts = parts[..., order]
    packed = np.zeros(parts.shape[:-1], dtype=np.uint64)
    for place in range(per):
        packed |= parts[..., place].astype(np.uint64) << np.uint64(bits * place)
    return torch.from_numpy(packed.astype(np.uint32).view(np.int32).copy())


def pack(name, integers, scales, zeros, fields):
    bits = fields["bits"]
    tensors = {f"{name}.scales": torch.from_numpy(scales.T.astype(np.float16).copy())}
    if fields["quant_method"] == "awq":
        order = [0, 2, 4, 6, 1, 3, 5, 7]
        tensors[f"{name}.qweight"] = words(integers.T, bits, order)
        tensors[f"{name}.qzeros"] = words(zeros.T, bits, order)
        return tensors
    offset = 1 if fields["checkpoint_format"] == "gptq" else 0
    tensors[f"{name}.qweight"] = words(integers, bits).T.contiguous()
    tensors[f"{name}.qzeros"] = words(zeros.T - offset, bits)
    columns = torch.arange(integers.shape[1], dtype=torch.int32)
    tensors[f"{name}.g_idx"] = columns // GROUP
    return tensors


def write(folder, fields):
    model = LlamaForCausalLM._from_config(config, attn_implementation="eager").float().eval()
    generator = torch.Generator().manual_seed(3)
    tensors = {}
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            centre = 1.0 if "norm" in key else 0.0
            spread = 0.2 if "norm" in key else 1.3 / parameter.shape[-1] ** 0.5
            parameter.copy_(centre + spread * torch.randn(parameter.shape, generator=generator))
            if "_proj" not in key:
                parameter.copy_(parameter.half().float())
                tensors[key] = parameter.half().contiguous()
                continue
            integers, scales, zeros = round_groups(parameter.numpy(), fields["bits"])
            spread_out = lambda values: np.repeat(values, GROUP, axis=1)
            exact = (integers - spread_out(zeros)) * spread_out(scales)
            parameter.copy_(torch.from_numpy(exact.astype(np.float32)))
            tensors |= pack(key.removesuffix(".weight"), integers, scales, zeros, fields)
        ids = torch.randint(0, VOCAB, (12,), generator=generator)
        logits = model(input_ids=ids[None], use_cache=False).logits[0].float().contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config.quantization_config = fields | {"group_size": GROUP}
    config.to_json_file(folder / "config.json", use_diff=True)
    source = {
        "source": "huggingface/transformers",
        "versions": f"transformers {transformers.__version__}, torch {torch.__version__}",
    }
    save_file({"input_ids": ids, "logits": logits}, folder / "golden.safetensors", metadata=source)


for name, fields in variants.items():
    write(Path(sys.argv[1]) / name, fields)
