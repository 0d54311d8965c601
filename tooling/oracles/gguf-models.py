"""Writes GGUF files of tiny random models, and blocks of every type with their values.

    python tooling/oracles/gguf-models.py packages/runtime-node/test/oracles/gguf

Needs the `gguf` package of llama.cpp. `{name}/model.gguf` is written by its GGUFWriter, with the rows
of queries and keys of a Llama reordered as convert_hf_to_gguf.py does; `directory.json` is what its
GGUFReader finds in the file; `golden.safetensors` has the logits of transformers over the weights
that gguf.quants multiplies out. Blocks of the K types are random bytes with sensible scales, since
the package can only read those types.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

VOCAB = 64
small = dict(
    vocab_size=VOCAB,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    rms_norm_eps=1e-6,
)
wide = small | dict(hidden_size=256, intermediate_size=256, num_hidden_layers=1, tie_word_embeddings=True)
modules = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
# name: (architecture, configuration, type of each tensor by a part of its name, first match)
models = {
    "llama-q4": ("llama", LlamaConfig(**small), {"token_embd": Type.Q8_0, "attn_v": Type.Q8_0, "output.": Type.F16, "": Type.Q4_0}),
    "qwen2-q8": ("qwen2", Qwen2Config(**small, tie_word_embeddings=True), {"": Type.Q8_0}),
    "llama-k": ("llama", LlamaConfig(**wide), {"attn_v": Type.Q6_K, "ffn_down": Type.Q6_K, "token_embd": Type.Q6_K, "": Type.Q4_K}),
}
block_bytes = {Type.Q4_0: (32, 18), Type.Q8_0: (32, 34), Type.Q4_K: (256, 144), Type.Q6_K: (256, 210)}


def random_blocks(kind, shape, rng, scale):
    """Rows of blocks whose values are about `scale` in size."""
    if kind in (Type.Q4_0, Type.Q8_0):
        return quantize((rng.standard_normal(shape) * scale).astype(np.float32), kind)
    weights, size = block_bytes[kind]
    count = int(np.prod(shape)) // weights
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    half = lambda value: np.full((count, 1), value, dtype=np.float16).view(np.uint8)
    if kind == Type.Q4_K:
        data[:, 0:2], data[:, 2:4] = half(scale / 150), half(scale / 25)
    else:
        data[:, 208:210] = half(scale / 1500)
    return data.reshape(*shape[:-1], -1)


def permute(rows, heads):
    """Neighbouring rows of a head become a pair: what convert_hf_to_gguf.py does to q and k."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def name_of(key):
    module, part = key.rsplit(".", 1)
    if module in modules:
        return f"{modules[module]}.{part}"
    _, _, layer, rest = module.split(".", 3)
    return f"blk.{layer}.{modules[rest]}.{part}"


def write(folder, architecture, config, types):
    rng = np.random.default_rng(5)
    torch.manual_seed(1)
    model = (LlamaForCausalLM if architecture == "llama" else Qwen2ForCausalLM)(config).float().eval()
    model.config._attn_implementation = "eager"
    folder.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(folder / "model.gguf", architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(500.0)
    model.model.rotary_emb.inv_freq = 500.0 ** -(
        torch.arange(0, config.hidden_size // config.num_attention_heads, 2)
        / (config.hidden_size // config.num_attention_heads)
    )
    if config.hidden_size // config.num_attention_heads == 64:
        # As Llama 3.1: each frequency has a divisor.
        divisors = np.linspace(1, 8, 32, dtype=np.float32)
        writer.add_tensor("rope_freqs.weight", divisors)
        model.model.rotary_emb.inv_freq = model.model.rotary_emb.inv_freq / torch.from_numpy(divisors)
    writer.add_eos_token_id(2)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            name = name_of(key)
            shape = tuple(parameter.shape)
            if len(shape) == 1:
                values = (1.0 if "norm" in name else 0.0) + 0.2 * rng.standard_normal(shape)
                values = values.astype(np.float32)
                writer.add_tensor(name, values)
                parameter.copy_(torch.from_numpy(values))
                continue
            kind = next(kind for part, kind in types.items() if part in name)
            spread = 1.3 / shape[-1] ** 0.5
            if kind == Type.F16:
                data = (rng.standard_normal(shape) * spread).astype(np.float16)
                values = data.astype(np.float32)
            else:
                data = random_blocks(kind, shape, rng, spread)
                values = dequantize(data, kind).reshape(shape)
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))
            if architecture == "llama" and ("attn_q" in name or "attn_k" in name):
                heads = config.num_attention_heads if "attn_q" in name else config.num_key_value_heads
                data = permute(data, heads)
            writer.add_tensor(name, np.ascontiguousarray(data), raw_dtype=kind)
        ids = torch.from_numpy(rng.integers(0, VOCAB, 11))
        logits = model(input_ids=ids[None], use_cache=False).logits[0].float().contiguous()
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file({"input_ids": ids, "logits": logits}, folder / "golden.safetensors", metadata=source)
    describe(folder)


def describe(folder):
    reader = gguf.GGUFReader(folder / "model.gguf")
    start = reader.data_offset
    fields = {key: field.contents() for key, field in reader.fields.items() if "." in key and not key.startswith("GGUF")}
    tensors = [
        dict(name=t.name, shape=[int(n) for n in t.shape], dtype=int(t.tensor_type), offset=int(t.data_offset - start))
        for t in reader.tensors
    ]
    directory = dict(metadata=fields, tensorInfos=tensors, tensorDataOffset=int(start))
    (folder / "directory.json").write_text(json.dumps(directory, indent=1))


def write_blocks(path):
    rng = np.random.default_rng(9)
    tensors = {}
    for kind, (weights, _) in block_bytes.items():
        data = random_blocks(kind, (1, 6 * weights), rng, 0.7)
        tensors[f"{kind.name}.blocks"] = torch.from_numpy(data.reshape(-1).copy())
        tensors[f"{kind.name}.values"] = torch.from_numpy(dequantize(data, kind).reshape(-1).copy())
    save_file(tensors, path, metadata=source)


source = {
    "source": "ggml-org/llama.cpp gguf-py and huggingface/transformers",
    "versions": f"transformers {transformers.__version__}, torch {torch.__version__}",
}
target = Path(sys.argv[1])
for name, (architecture, config, types) in models.items():
    write(target / name, architecture, config, types)
write_blocks(target / "blocks.safetensors")
