"""Writes tiny random models of every architecture, and what transformers computes with them.

    python tooling/oracles/architectures.py packages/runtime-node/test/oracles/architectures

Each model is a folder as `save_pretrained` lays it out: config.json and model.safetensors (one of
them in two shards), and golden.safetensors with `prompt{i}.input_ids` and `prompt{i}.logits` in
float32, eager attention. Weights are rounded to the type they are stored in before they are used.
Sizes are odd on purpose, biases are not zero, windows are shorter than the longest prompt.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, CONFIG_MAPPING

VOCAB = 97
common = dict(
    vocab_size=VOCAB,
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=3,
    num_attention_heads=6,
    num_key_value_heads=2,
    max_position_embeddings=128,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
    tie_word_embeddings=False,
)
llama3 = dict(
    rope_type="llama3",
    rope_theta=500.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)
yarn = dict(rope_type="yarn", rope_theta=1000.0, factor=4.0, original_max_position_embeddings=32)
longrope = dict(
    rope_type="longrope",
    rope_theta=1000.0,
    partial_rotary_factor=0.5,
    short_factor=[1.0, 1.3],
    long_factor=[1.5, 4.0],
)
bf16, f16, f32 = torch.bfloat16, torch.float16, torch.float32

# name: (model_type, stored type, fields beyond the common ones)
models = {
    "llama": ("llama", f32, dict(attention_bias=True, mlp_bias=True)),
    "llama-3": ("llama", bf16, dict(rope_parameters=llama3, head_dim=8, tie_word_embeddings=True)),
    "llama-linear": (
        "llama",
        f16,
        dict(rope_parameters=dict(rope_type="linear", rope_theta=100.0, factor=2.5)),
    ),
    "llama-yarn": ("llama", bf16, dict(rope_parameters=yarn, head_dim=16)),
    "mistral": ("mistral", bf16, dict(sliding_window=5, head_dim=10)),
    "smollm3": ("smollm3", bf16, dict(no_rope_layer_interval=2, tie_word_embeddings=True)),
    "qwen2": (
        "qwen2",
        bf16,
        dict(use_sliding_window=True, sliding_window=6, max_window_layers=1, tie_word_embeddings=True),
    ),
    "qwen3": ("qwen3", bf16, dict(head_dim=10)),
    "gemma": ("gemma", bf16, dict(head_dim=10, num_key_value_heads=1, tie_word_embeddings=True)),
    "gemma-2": (
        "gemma2",
        bf16,
        dict(
            head_dim=10,
            sliding_window=5,
            query_pre_attn_scalar=7,
            attn_logit_softcapping=4.0,
            final_logit_softcapping=5.0,
            tie_word_embeddings=True,
        ),
    ),
    "gemma-3": (
        "gemma3_text",
        bf16,
        dict(
            num_hidden_layers=4,
            head_dim=10,
            sliding_window=5,
            query_pre_attn_scalar=7,
            layer_types=["sliding_attention", "full_attention"] * 2,
            rope_parameters=dict(
                full_attention=dict(rope_type="linear", rope_theta=5000.0, factor=4.0),
                sliding_attention=dict(rope_type="default", rope_theta=50.0),
            ),
            tie_word_embeddings=True,
        ),
    ),
    "phi-3": (
        "phi3",
        f16,
        dict(
            hidden_size=48,
            sliding_window=7,
            rope_parameters=longrope,
            original_max_position_embeddings=64,
        ),
    ),
    "olmo-2": ("olmo2", bf16, dict()),
    "gpt-2": (
        "gpt2",
        bf16,
        dict(
            n_embd=24,
            n_head=3,
            n_layer=3,
            n_inner=40,
            n_positions=64,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            tie_word_embeddings=True,
        ),
    ),
}
sharded = {"qwen2"}
gpt2_fields = {"vocab_size", "bos_token_id", "eos_token_id", "pad_token_id"}


def build(name):
    model_type, dtype, fields = models[name]
    base = {k: v for k, v in common.items() if model_type != "gpt2" or k in gpt2_fields}
    config = CONFIG_MAPPING[model_type](**(base | fields))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            values = torch.randn(parameter.shape, generator=generator)
            is_norm = "norm" in key or ".ln_" in key
            spread = 0.2 if is_norm or key.endswith("bias") else 1.3 / parameter.shape[-1] ** 0.5
            centre = 1.0 if is_norm and key.endswith("weight") and "gemma" not in model_type else 0.0
            parameter.copy_((centre + spread * values).to(dtype).float())
    return model, dtype


def save(folder, name, model, dtype):
    folder.mkdir(parents=True, exist_ok=True)
    model.config.to_json_file(folder / "config.json", use_diff=True)
    tied = model.config.tie_word_embeddings
    tensors = {
        key: value.to(dtype).contiguous()
        for key, value in model.state_dict().items()
        if not (tied and key == "lm_head.weight") and not key.endswith("embed_scale")
    }
    if name not in sharded:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(tensors)
    cut = len(names) // 2
    weight_map = {}
    for index, part in enumerate([names[:cut], names[cut:]], start=1):
        file = f"model-{index:05}-of-00002.safetensors"
        save_file({key: tensors[key] for key in part}, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))


def golden(model):
    generator = torch.Generator().manual_seed(7)
    tensors = {}
    for index, length in enumerate([1, 6, 23]):
        ids = torch.randint(0, VOCAB, (length,), generator=generator)
        with torch.no_grad():
            logits = model(input_ids=ids[None], use_cache=False).logits[0]
        tensors[f"prompt{index}.input_ids"] = ids
        tensors[f"prompt{index}.logits"] = logits.float().contiguous()
    return tensors


def main(target):
    for name in models:
        model, dtype = build(name)
        folder = Path(target) / name
        save(folder, name, model, dtype)
        source = {
            "source": "huggingface/transformers",
            "versions": f"transformers {transformers.__version__}, torch {torch.__version__}",
        }
        save_file(golden(model), folder / "golden.safetensors", metadata=source)
        print(name, sum(file.stat().st_size for file in folder.iterdir()))


main(sys.argv[1])
