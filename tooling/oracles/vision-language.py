"""Writes tiny random vision-language models, and what transformers computes with them.

    python tooling/oracles/vision-language.py packages/runtime-node/test/oracles/vision-language

Each model is a folder as `save_pretrained` lays it out, and golden.safetensors with three inputs (text
only, one picture, two pictures): `input{i}.input_ids`, `input{i}.logits` of every row, and where there
are pictures `input{i}.pixel_values`, `input{i}.features` (the rows that enter the decoder) and what else
the model takes: `image_sizes` [height, width] of what tiles were cut from, `image_grid_thw` and the `positions` that follow from it, or `pixel_attention_mask`; of
models that take videos, `video.pixel_values`, `video.image_grid_thw` and `video.features`.
Computed in float64, so that running it again gives the same bytes, with eager attention, and stored as
float32; weights are rounded to the type they are stored in before they are used. Sizes are odd on purpose, biases are not zero, pictures of one input differ in size or padding.
"""

import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, CONFIG_MAPPING
from transformers.models.llava_next.modeling_llava_next import image_size_to_num_patches

torch.set_num_threads(1)

VOCAB, IMAGE = 97, 95
text = dict(
    vocab_size=VOCAB,
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=3,
    num_attention_heads=3,
    num_key_value_heads=1,
    max_position_embeddings=128,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
vision = dict(
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=3,
    num_attention_heads=3,
    num_channels=3,
    image_size=16,
    patch_size=4,
)
mrope = dict(rope_type="default", rope_theta=100.0, mrope_section=[2, 1, 1])
qwen_vision = dict(
    depth=3,
    embed_dim=24,
    hidden_size=24,
    num_heads=3,
    mlp_ratio=2,
    patch_size=4,
    spatial_merge_size=2,
    temporal_patch_size=2,
    in_channels=3,
)
qwen25_vision = dict(
    depth=3,
    hidden_size=24,
    out_hidden_size=24,
    intermediate_size=40,
    num_heads=3,
    patch_size=4,
    spatial_merge_size=2,
    temporal_patch_size=2,
    in_channels=3,
    window_size=17,
    fullatt_block_indexes=[1],
)
bf16, f16, f32 = torch.bfloat16, torch.float16, torch.float32

# name: (stored type, configuration)
models = {
    "llava": (
        bf16,
        dict(
            model_type="llava",
            image_token_index=IMAGE,
            text_config=text | dict(model_type="llama"),
            vision_config=vision | dict(model_type="clip_vision_model", image_size=14),
        ),
    ),
    "llava-siglip": (
        f32,
        dict(
            model_type="llava",
            image_token_index=IMAGE,
            vision_feature_layer=[-1, 1],
            vision_feature_select_strategy="full",
            projector_hidden_act="gelu_pytorch_tanh",
            multimodal_projector_bias=False,
            text_config=text | dict(model_type="qwen2", tie_word_embeddings=True),
            vision_config=vision | dict(model_type="siglip_vision_model", vision_use_head=False),
            tie_word_embeddings=True,
        ),
    ),
    "idefics3": (
        f16,
        dict(
            model_type="idefics3",
            image_token_id=IMAGE,
            scale_factor=2,
            pad_token_id=0,
            text_config=text | dict(model_type="llama"),
            vision_config=vision,
        ),
    ),
    "smolvlm": (
        bf16,
        dict(
            model_type="smolvlm",
            image_token_id=IMAGE,
            scale_factor=3,
            pad_token_id=0,
            tie_word_embeddings=True,
            text_config=text | dict(model_type="llama", tie_word_embeddings=True),
            vision_config=vision | dict(image_size=24),
        ),
    ),
    "qwen2-vl": (
        bf16,
        dict(
            model_type="qwen2_vl",
            image_token_id=IMAGE,
            video_token_id=94,
            vision_start_token_id=92,
            vision_end_token_id=93,
            text_config=text | dict(rope_parameters=mrope),
            vision_config=qwen_vision,
        ),
    ),
    "qwen2-5-vl": (
        f16,
        dict(
            model_type="qwen2_5_vl",
            image_token_id=IMAGE,
            video_token_id=94,
            vision_start_token_id=92,
            vision_end_token_id=93,
            text_config=text | dict(rope_parameters=mrope),
            vision_config=qwen25_vision,
        ),
    ),
    "llava-next": (
        bf16,
        dict(
            model_type="llava_next",
            image_token_index=IMAGE,
            image_grid_pinpoints=[[8, 16], [16, 8], [16, 16], [24, 8], [8, 24]],
            text_config=text | dict(model_type="mistral", sliding_window=None),
            vision_config=vision | dict(model_type="clip_vision_model", image_size=8, patch_size=2),
        ),
    ),
    "llava-onevision": (
        bf16,
        dict(
            model_type="llava_onevision",
            image_token_index=IMAGE,
            image_grid_pinpoints=[[8 * rows, 8 * cols] for cols in range(1, 4) for rows in range(1, 4)],
            vision_aspect_ratio="anyres_max_2",
            text_config=text | dict(model_type="qwen2"),
            vision_config=vision
            | dict(model_type="siglip_vision_model", image_size=8, patch_size=2, vision_use_head=False),
        ),
    ),
}


def build(name):
    dtype, fields = models[name]
    config = CONFIG_MAPPING[fields["model_type"]](**{k: v for k, v in fields.items() if k != "model_type"})
    model = AutoModelForImageTextToText.from_config(config, attn_implementation="eager").float().eval()
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            values = torch.randn(parameter.shape, generator=generator)
            is_norm = "norm" in key or "ln_q" in key
            small = is_norm or key.endswith("bias") or parameter.dim() < 2
            spread = 0.2 if small else 1.3 / parameter[0].numel() ** 0.5
            centre = 1.0 if is_norm and key.endswith("weight") else 0.0
            parameter.copy_((centre + spread * values).to(dtype).float())
    return model, dtype


def save(folder, model, dtype):
    """The names that `save_pretrained` gives, with the stored type."""
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    file = folder / "model.safetensors"
    tensors = {key: value.to(dtype).contiguous() for key, value in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})


def pictures(model, generator, count):
    """Inputs for some pictures, and how many rows each becomes."""
    config = model.config
    if config.model_type.startswith("qwen"):
        grids = torch.tensor([[1, 4, 6], [1, 6, 2]][:count])
        v = config.vision_config
        width = v.in_channels * v.temporal_patch_size * v.patch_size**2
        pixels = torch.randn((int(grids.prod(1).sum()), width), generator=generator)
        return dict(pixel_values=pixels, image_grid_thw=grids), (grids.prod(1) // 4).tolist()
    side = config.vision_config.image_size
    if hasattr(config, "image_grid_pinpoints"):
        return tiles(model, generator, count)
    pixels = torch.randn((count, 3, side, side), generator=generator)
    patches = (side // config.vision_config.patch_size) ** 2
    if config.model_type == "llava":
        return dict(pixel_values=pixels), [patches] * count
    inputs = dict(pixel_values=pixels[None])
    if count > 1:
        mask = torch.ones((1, count, side, side), dtype=torch.int64)
        mask[0, 1, 9:] = 0
        mask[0, 1, :, 12:] = 0
        inputs["pixel_attention_mask"] = mask
    return inputs, [patches // config.scale_factor**2] * count


def tiles(model, generator, count):
    """Tiles of a wide image and of a small one, and how many rows each becomes."""
    config = model.config
    sizes = [[12, 30], [9, 5]][:count]
    side = config.vision_config.image_size
    numbers = [image_size_to_num_patches(size, config.image_grid_pinpoints, side) for size in sizes]
    pixels = torch.randn((sum(numbers), 3, side, side), generator=generator)
    inputs = dict(pixel_values=pixels, image_sizes=torch.tensor(sizes))
    with torch.no_grad():
        return inputs, [len(rows) for rows in packed(model, wide(inputs))]


def prompt(generator, rows):
    ids = []
    for count in rows:
        ids += torch.randint(3, 90, (2,), generator=generator).tolist() + [IMAGE] * count
    return torch.tensor([ids + torch.randint(3, 90, (5,), generator=generator).tolist()])


def wide(inputs):
    return {key: value.double() if value.is_floating_point() else value for key, value in inputs.items()}


def packed(model, inputs):
    """The rows that each picture becomes."""
    if model.config.model_type.startswith("llava"):
        for field in ["vision_feature_layer", "vision_feature_select_strategy"]:
            inputs = inputs | {field: getattr(model.config, field)}
    if model.config.model_type == "llava_onevision":
        inputs = inputs | dict(vision_aspect_ratio=model.config.vision_aspect_ratio)
    return list(model.model.get_image_features(**inputs, return_dict=True).pooler_output)


def features(model, inputs):
    return torch.cat([rows.reshape(-1, rows.shape[-1]) for rows in packed(model, inputs)])


def golden(model):
    generator = torch.Generator().manual_seed(7)
    tensors = {}
    for index in range(3):
        inputs, rows = pictures(model, generator, index) if index > 0 else ({}, [])
        ids = prompt(generator, rows)
        put = {"input_ids": ids[0]}
        more = {}
        if "image_grid_thw" in inputs:
            more["mm_token_type_ids"] = (ids == IMAGE).int()
            positions, _ = model.model.get_rope_index(ids, more["mm_token_type_ids"], inputs["image_grid_thw"])
            put["positions"] = positions[:, 0].contiguous()
        with torch.no_grad():
            put["logits"] = model(input_ids=ids, use_cache=False, **wide(inputs), **more).logits[0]
            if index > 0:
                put["features"] = features(model, wide(inputs))
        for key, value in (put | inputs).items():
            stored = value.float() if value.is_floating_point() else value
            tensors[f"input{index}.{key}"] = stored.contiguous().clone()
    if hasattr(model.model, "get_rope_index"):
        tensors |= video(model, generator)
    return tensors


def video(model, generator):
    """Rows of two frames, and of a picture after them."""
    v = model.config.vision_config
    grids = torch.tensor([[2, 6, 4], [1, 2, 2]])
    width = v.in_channels * v.temporal_patch_size * v.patch_size**2
    pixels = torch.randn((int(grids.prod(1).sum()), width), generator=generator)
    inputs = dict(pixel_values=pixels, image_grid_thw=grids)
    with torch.no_grad():
        rows = features(model, wide(inputs)).float().contiguous()
    return {f"video.{key}": value for key, value in (inputs | dict(features=rows)).items()}


def main(target):
    for name in models:
        model, dtype = build(name)
        folder = Path(target) / name
        save(folder, model, dtype)
        # One entry: safetensors writes several in any order.
        source = {"source": f"transformers {transformers.__version__}, torch {torch.__version__}"}
        save_file(golden(model.double()), folder / "golden.safetensors", metadata=source)
        print(name, sum(file.stat().st_size for file in folder.iterdir()))


main(sys.argv[1])
