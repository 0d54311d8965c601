"""Writes what Pillow and the image processors of transformers make of small pictures.

    python tooling/oracles/images.py packages/runtime/test/image

oracles.safetensors holds the pictures, `picture.{name}` U8 [h, w, 3]; `resized.{i}` U8 [h, w, 3] for
every entry of `resizes` in oracles.json; and `processed.{i}.{input}` for every entry of `processors`,
whose `config` is a preprocessor_config.json and whose `pictures` are given to it. The processors are
those built on Pillow. `decoded.{name}` U8 [h, w, 3] are the pixels of the files in files/.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors.torch import save_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

target = Path(sys.argv[1])
random = np.random.default_rng(20261122)


def picture(width: int, height: int) -> np.ndarray:
    """Slopes, a disc with a hard edge, and noise: something for every frequency."""
    y, x = np.mgrid[0:height, 0:width]
    slopes = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], -1)
    disc = (x - width / 3) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 4) ** 2
    slopes[disc] = [250, 10, 128]
    noise = random.normal(0, 25, slopes.shape)
    return np.clip(slopes + noise, 0, 255).astype(np.uint8)


pictures = {"wide": picture(53, 31), "tall": picture(20, 47), "tiny": picture(5, 4)}
tensors = {f"picture.{name}": torch.from_numpy(data) for name, data in pictures.items()}

resizes = []
filters = {"bilinear": 2, "bicubic": 3, "lanczos": 1}
for name, sizes in {"wide": [(24, 24), (80, 17), (53, 60)], "tall": [(7, 3)], "tiny": [(33, 29), (1, 1)]}.items():
    for width, height in sizes:
        for filter, number in filters.items():
            resized = Image.fromarray(pictures[name]).resize((width, height), resample=number)
            tensors[f"resized.{len(resizes)}"] = torch.from_numpy(np.array(resized))
            resizes.append(dict(picture=name, width=width, height=height, filter=filter))

processors = []


def process(processor, names, **change):
    images = [Image.fromarray(pictures[name]) for name in names]
    nested = isinstance(processor, Idefics3ImageProcessorPil)
    outputs = processor([images] if nested else images, return_tensors="pt")
    for key, value in outputs.items():
        kept = value.float() if value.dtype.is_floating_point else value.to(torch.int64)
        tensors[f"processed.{len(processors)}.{key}"] = kept.contiguous()
    config = json.loads(processor.to_json_string())
    processors.append(dict(pictures=names, config={**config, **change}))


process(CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}), ["wide", "tall"])
process(CLIPImageProcessorPil(size={"shortest_edge": 10}, crop_size={"height": 13, "width": 14}), ["wide", "tall"])
process(SiglipImageProcessorPil(size={"height": 14, "width": 18}), ["tall", "tiny"])
process(ViTImageProcessorPil(size={"height": 12, "width": 12}, do_convert_rgb=True), ["wide"])
process(LlavaImageProcessorPil(size={"shortest_edge": 14}, crop_size={"height": 14, "width": 14}, do_pad=True), ["wide", "tall"])
for names in [["wide"], ["tall"]]:
    process(Idefics3ImageProcessorPil(size={"longest_edge": 30}, max_image_size={"longest_edge": 12}), names)
process(Idefics3ImageProcessorPil(size={"longest_edge": 12}, max_image_size={"longest_edge": 12}), ["tiny"])
process(
    Idefics3ImageProcessorPil(size={"longest_edge": 30}, max_image_size={"longest_edge": 12}, do_image_splitting=False),
    ["wide", "tall"],
)
process(
    Qwen2VLImageProcessorPil(
        size={"shortest_edge": 64, "longest_edge": 1024}, patch_size=4, merge_size=2, temporal_patch_size=2
    ),
    ["wide", "tall", "tiny"],
)


def save(name, image, expected=None, **options):
    """A file, and its pixels as Pillow reads them."""
    path = files / name
    image.save(path, **options)
    opened = ImageOps.exif_transpose(Image.open(path)) if expected is None else expected
    tensors[f"decoded.{name}"] = torch.from_numpy(np.array(opened.convert("RGB")))


files = target / "files"
files.mkdir(exist_ok=True)
wide = Image.fromarray(pictures["wide"])
save("rgb.png", wide)
save("gray.png", wide.convert("L"))
save("palette.png", wide.quantize(16))
alpha = wide.copy()
alpha.putalpha(Image.fromarray(pictures["wide"][:, :, 0]))
save("alpha.png", alpha)
save("lossless.webp", wide, lossless=True, exact=True)
save("photo.jpg", wide, quality=95, subsampling=0)
turned = Image.Exif()
turned[0x0112] = 6
save("turned.jpg", wide, quality=95, subsampling=0, exif=turned)

save_file(tensors, target / "oracles.safetensors")
(target / "oracles.json").write_text(json.dumps(dict(resizes=resizes, processors=processors), indent=1) + "\n")
