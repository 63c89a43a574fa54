"""open_clip's training loader, from its parts: webdataset tars, PIL decode, RandomResizedCrop, ToTensor, Normalize.

The order and the settings are those of open_clip's `get_wds_dataset` and `image_transform(is_train=True)`: crops of 0.9
to 1.0 of the area, bicubic with antialiasing, float tensors. torchvision's PIL operations are spelled out, so that only
torch and webdataset are needed. The tokenizer costs nothing here, which favours this side.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def crop_box(width: int, height: int, dice: np.random.Generator) -> tuple[int, int, int, int]:
    """torchvision's RandomResizedCrop(scale=(0.9, 1.0)): left, top, right, bottom."""
    for _ in range(10):
        area = width * height * dice.uniform(0.9, 1.0)
        ratio = math.exp(dice.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            left, top = int(dice.integers(width - wide + 1)), int(dice.integers(height - high + 1))
            return left, top, left + wide, top + high
    side_x, side_y = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    left, top = (width - side_x) // 2, (height - side_y) // 2
    return left, top, left + side_x, top + side_y


class Transform:
    """Encoded image -> normalised float32 tensor [3, resolution, resolution]."""

    def __init__(self, resolution: int) -> None:
        self.resolution, self.dice = resolution, np.random.default_rng(0)

    def __call__(self, data: bytes):
        import torch

        image = Image.open(io.BytesIO(data)).convert("RGB")
        part = image.crop(crop_box(*image.size, self.dice))
        part = part.resize((self.resolution, self.resolution), Image.Resampling.BICUBIC)
        tensor = torch.from_numpy(np.array(part, copy=True)).permute(2, 0, 1).contiguous()
        tensor = tensor.to(torch.get_default_dtype()).div(255)
        mean, std = torch.as_tensor(MEAN).view(-1, 1, 1), torch.as_tensor(STD).view(-1, 1, 1)
        return tensor.sub_(mean).div_(std)


def no_tokens(text: bytes):
    import torch

    return torch.zeros(77, dtype=torch.long)


def loader(folder: Path, batch_size: int, workers: int, resolution: int) -> Iterator[tuple]:
    """Batches of (image, text), one pass over the shards of a folder; workers start with the first batch."""
    import torch
    import webdataset as wds

    pipeline = wds.DataPipeline(
        wds.SimpleShardList([str(path) for path in sorted(folder.glob("*.tar"))]),
        wds.split_by_worker,
        wds.tarfile_to_samples(),
        wds.shuffle(bufsize=500, initial=100),
        wds.rename(image="jpg", text="txt"),
        wds.map_dict(image=Transform(resolution), text=no_tokens),
        wds.to_tuple("image", "text"),
        wds.batched(batch_size, partial=True),
    )
    torch.set_num_threads(1)  # as in its workers
    return _started_late(wds.WebLoader(pipeline, batch_size=None, shuffle=False, num_workers=workers))


def _started_late(loader: Any) -> Iterator[tuple]:
    yield from loader
