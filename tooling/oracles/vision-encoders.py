"""Writes tiny random vision encoders, and what transformers computes with them.

    python tooling/oracles/vision-encoders.py packages/runtime-node/test/oracles/vision-encoders

Each model is a folder as `save_pretrained` lays it out, and golden.safetensors with, for three
inputs of one or two images, `input{i}.pixel_values`, `input{i}.hidden.{l}`, `input{i}.hidden.final`
(every row after the final norm) and, where there is one, `input{i}.pooled`; then the last hidden state of
images of other sizes, whose positions are interpolated, as `resized{i}.pixel_values` and
`resized{i}.hidden`. Computed in float64, so that running it again gives the same bytes, with eager
attention, and stored as float32. Weights are rounded to the type they are stored in before they are
used. Some configurations are nested, some names have prefixes, one image is no multiple of its patch, one
is no square and neither are its patches, no bias is zero.
"""

import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    SiglipConfig,
    SiglipModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)

torch.set_num_threads(1)

size = dict(
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=3,
    num_attention_heads=3,
    image_size=12,
    patch_size=4,
    num_channels=3,
)
text = dict(
    hidden_size=16,
    intermediate_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    vocab_size=7,
    max_position_embeddings=4,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
uneven = size | dict(image_size=14)
bf16, f16, f32 = torch.bfloat16, torch.float16, torch.float32

# name: (model, stored type)
models = {
    "vit": (lambda: ViTModel(ViTConfig(**size)), f32),
    "vit-classifier": (lambda: ViTForImageClassification(ViTConfig(qkv_bias=False, **size)), bf16),
    "vit-wide": (
        lambda: ViTModel(ViTConfig(**size | dict(image_size=[12, 20], patch_size=[4, 5]))),
        f16,
    ),
    "clip-vision": (
        lambda: CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=10, **size)),
        f16,
    ),
    "clip": (
        lambda: CLIPModel(
            CLIPConfig(
                text_config=text,
                vision_config=size | dict(hidden_act="gelu"),
                projection_dim=10,
            )
        ),
        bf16,
    ),
    "siglip-vision": (lambda: SiglipVisionModel(SiglipVisionConfig(**uneven)), f32),
    "siglip": (
        lambda: SiglipModel(SiglipConfig(text_config=text, vision_config=size)),
        bf16,
    ),
}


def build(name):
    make, dtype = models[name]
    model = make().float().eval()
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            values = torch.randn(parameter.shape, generator=generator)
            is_norm = "norm" in key
            small = is_norm or key.endswith("bias") or parameter.dim() < 2
            spread = 0.2 if small else 1.3 / parameter[0].numel() ** 0.5
            centre = 1.0 if is_norm and key.endswith("weight") else 0.0
            parameter.copy_((centre + spread * values).to(dtype).float())
    return model, dtype


def save(folder, model, dtype):
    """The names that `save_pretrained` gives, with the stored type."""
    model.save_pretrained(folder)
    file = folder / "model.safetensors"
    tensors = {key: value.to(dtype).contiguous() for key, value in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})


def encode(model, pixels):
    tower = getattr(model, "vision_model", getattr(model, "vit", model))
    output = tower(pixels, output_hidden_states=True)
    tensors = {f"hidden.{layer}": rows for layer, rows in enumerate(output.hidden_states)}
    if "post_layernorm" in dict(tower.named_children()):
        tensors["hidden.final"] = tower.post_layernorm(output.hidden_states[-1])
    else:
        tensors["hidden.final"] = output.last_hidden_state
    if hasattr(model, "visual_projection"):
        tensors["pooled"] = model.visual_projection(output.pooler_output)
    elif isinstance(model, ViTModel) or hasattr(tower, "head"):
        tensors["pooled"] = output.pooler_output
    return tensors


def golden(model, config):
    generator = torch.Generator().manual_seed(7)
    tensors = {}
    for index, images in enumerate([1, 2, 1]):
        side = config.image_size
        height, width = side if isinstance(side, (list, tuple)) else (side, side)
        pixels = torch.randn((images, config.num_channels, height, width), generator=generator)
        tensors[f"input{index}.pixel_values"] = pixels
        with torch.no_grad():
            for key, value in encode(model, pixels.double()).items():
                tensors[f"input{index}.{key}"] = value.float().contiguous().clone()
    if isinstance(config.patch_size, int):
        tensors |= resized(model, config.num_channels, generator)
    return tensors


def resized(model, channels, generator):
    """Images of a larger grid, a smaller one, and one that is no square."""
    tensors = {}
    tower = getattr(model, "vision_model", getattr(model, "vit", model))
    for index, (height, width) in enumerate([(20, 20), (8, 8), (9, 24)]):
        pixels = torch.randn((1, channels, height, width), generator=generator)
        with torch.no_grad():
            output = tower(pixels.double(), output_hidden_states=True, interpolate_pos_encoding=True)
        tensors[f"resized{index}.pixel_values"] = pixels
        tensors[f"resized{index}.hidden"] = output.hidden_states[-1].float().contiguous()
    return tensors


def main(target):
    for name in models:
        model, dtype = build(name)
        model.set_attn_implementation("eager")
        folder = Path(target) / name
        save(folder, model, dtype)
        # One entry: safetensors writes several in any order.
        source = {"source": f"transformers {transformers.__version__}, torch {torch.__version__}"}
        config = getattr(model.config, "vision_config", model.config)
        save_file(golden(model.double(), config), folder / "golden.safetensors", metadata=source)
        print(name, sum(file.stat().st_size for file in folder.iterdir()))


main(sys.argv[1])
