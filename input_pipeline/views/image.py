"""From an image to what a model sees of it: the evaluation view, and random parts of it to train on."""

from __future__ import annotations

import io
import math
import os
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from input_pipeline.addresses import is_address, redacted
from input_pipeline.decode import Picture, load_image, open_picture, picture_of
from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Reason, Record, Region
from input_pipeline.views.augmentations import Augmentation, active_augmentations, augment
from input_pipeline.views.frames import Frame, NativePatches, Shown, Squares, frame_of
from input_pipeline.views.peers import PeerView
from input_pipeline.views.regions import placed
from input_pipeline.views.resize import RESIZE_MODES, Box, whole_box


class EvaluationView:
    """The deterministic view that a preprocessing spec describes: ours, or that of the project it came from."""

    def __init__(self, preprocessing: Mapping[str, Any]) -> None:
        """Takes {"resolution", "resize", ...}; raises ValueError if one of them is out of its range.

        With a "convention", everything is done as another project does it: see `views/peers.py`. With "patches" and
        "patch_size", images keep their aspect ratio: see `views/frames.py`.
        """
        self._peer = PeerView(preprocessing) if preprocessing.get("convention") else None
        self.resolution, self.mode = int(preprocessing["resolution"]), str(preprocessing["resize"])
        if self.mode not in RESIZE_MODES:
            raise UserError(f"resize '{self.mode}' is not one of {', '.join(RESIZE_MODES)}")
        self.frame: Frame = frame_of(preprocessing)

    def __call__(self, picture: Picture) -> Shown:
        """Returns the view of a picture; raises BadRecord if it turns out to be damaged."""
        box = self._box(picture.width, picture.height)
        return self.frame.packed(self.frame.resize(picture.pixels(), box))

    def _box(self, width: int, height: int) -> Box:
        shorter = self._peer.shorter_side if self._peer else self.resolution
        return whole_box(width, height, self.mode, self.resolution, shorter)

    def of_bytes(self, data: bytes) -> Shown:
        """Returns the view of an encoded image; raises BadRecord if it cannot be read."""
        if self._peer:
            return self.frame.packed(self._peer(load_image(data), from_file=True))
        return self(open_picture(data))

    def regions(self, record: Record) -> tuple[Region, ...]:
        """Returns the regions of a record that the view shows, with their boxes in it."""
        if not record.regions or record.image is None:
            return ()
        picture = open_picture(record.image)
        window = self._box(picture.width, picture.height)
        shown = placed(record.regions, picture.width, picture.height, window)
        return tuple(replace(region, box=box) for region, box in shown)

    def mask(self, record: Record) -> UInt8[np.ndarray, "resolution resolution"] | None:
        """Returns the class number of each pixel that the view shows of a record's mask, 255 beyond it: [r, r].

        Raises:
          BadRecord: the mask cannot be read.
        """
        if record.mask is None:
            return None
        try:
            numbers = np.asarray(Image.open(io.BytesIO(record.mask)))
            if numbers.ndim != 2:
                raise ValueError(f"it is of shape {numbers.shape}, and no picture of numbers")
        except (OSError, ValueError) as error:
            raise BadRecord(Reason.UNDECODABLE, f"the mask of record '{record.id}': {error}") from None
        height, width = numbers.shape
        left, top, right, bottom = self._box(width, height)
        steps = (np.arange(self.resolution) + 0.5) / self.resolution
        rows, columns = (
            np.floor(start + steps * (stop - start)).astype(int)
            for start, stop in ((top, bottom), (left, right))
        )
        inside = ((rows >= 0) & (rows < height))[:, None] & (columns >= 0) & (columns < width)
        own = numbers[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]
        return np.where(inside, own, 255).astype(np.uint8)

    def load(self, images: Any) -> Shown:
        """Returns the views of one image or of several, [n, ...]: a list, a tuple, an iterator or an array [n, h, w, 3]
        of images.

        Args:
          images: PIL images, uint8 arrays [h, w, 3] or [h, w], paths, encoded bytes, or open files of these.

        Raises:
          ValueError: an image cannot be read; the message says which and why.
        """
        many = isinstance(images, (list, tuple, Iterator)) and not hasattr(images, "read")
        many = many or getattr(images, "ndim", 0) == 4
        views = [self._load(image, at) for at, image in enumerate(images if many else [images])]
        return np.stack(views) if views else np.zeros(0, self.frame.dtype)

    def _load(self, image: Any, position: int) -> Shown:
        try:
            if isinstance(image, (str, os.PathLike)):
                image = _read_file(os.fspath(image))
            if hasattr(image, "read"):  # an open file
                image = image.read()
            if isinstance(image, (bytes, bytearray, memoryview)):
                return self.of_bytes(bytes(image))
            image = image if isinstance(image, Image.Image) else _from_array(image)
            if self._peer:
                return self.frame.packed(self._peer(image, from_file=False))
            return self(picture_of(image))
        except (BadRecord, OSError, ValueError) as error:
            raise UserError(f"image {position} cannot be read: {error}") from None


def _read_file(path: str) -> bytes:
    if is_address(path):
        raise UserError(f"{redacted(path)} is an address: fetch it first, and give its bytes")
    return Path(path).read_bytes()


def _from_array(given: Any) -> Image.Image:
    if not hasattr(given, "shape"):
        raise UserError(
            f"{reprlib.repr(given)} is no image: give a PIL image, a uint8 array, a path, bytes or a file"
        )
    array = np.asarray(given)
    if array.dtype != np.uint8 or (array.ndim != 2 and array.shape[2:] != (3,)) or array.size == 0:
        raise UserError(f"{array.dtype} array {array.shape} is not a uint8 array [h, w, 3] or [h, w]")
    return Image.fromarray(array)


@dataclass(frozen=True)
class TrainingView:
    """A random crop of the evaluation view's region, perhaps mirrored and augmented further.

    `crop_scale` bounds the crop's share of the region's area, `crop_ratio` its width over height (in `squash`
    mode relative to the image's own). With both (1, 1), `squash` and `pad` give the evaluation view. With `patches`,
    what is cropped keeps its own aspect ratio; with `budgets` of them, one is drawn for each batch.
    """

    resolution: int
    mode: str
    crop_scale: tuple[float, float] = (1.0, 1.0)
    crop_ratio: tuple[float, float] = (1.0, 1.0)
    flip: bool = False
    augmentations: tuple[Augmentation, ...] = ()
    patches: NativePatches | None = None
    budgets: tuple[int, ...] = ()

    @property
    def frame(self) -> Frame:
        """Returns what a visit's pixels are laid out as, at most."""
        return self.patches or Squares(self.resolution)

    def of_batch(self, roll: Callable[[str], np.random.Generator]) -> TrainingView:
        """Returns the view of all visits of a batch, whose dice decide on a budget where there are several."""
        if not self.patches or not self.budgets:
            return self
        budget = self.budgets[int(roll("budget").integers(len(self.budgets)))]
        return replace(self, patches=replace(self.patches, patches=budget))

    def __post_init__(self) -> None:
        EvaluationView({"resolution": self.resolution, "resize": self.mode})
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise UserError(f"crop_scale {self.crop_scale} must hold 0 < low <= high <= 1")
        low, high = self.crop_ratio
        if not 0 < low <= high:
            raise UserError(f"crop_ratio {self.crop_ratio} must hold 0 < low <= high")

    @classmethod
    def build(cls, preprocessing: Mapping[str, Any], augmentation: Mapping[str, Any]) -> TrainingView:
        """Returns the view of a model and of the keys of `data.image`; other keys are ignored.

        Args:
          preprocessing: {"resolution", "resize", ...} of the model.
          augmentation: {"crop_scale", "crop_ratio", "flip"}, and what `augmentations.py` describes.

        Raises:
          ValueError: a setting is out of its range.
        """
        frame = frame_of(preprocessing)
        most = frame.patches if isinstance(frame, NativePatches) else 0
        return cls(
            resolution=preprocessing["resolution"],
            mode=preprocessing["resize"],
            crop_scale=tuple(augmentation["crop_scale"]),
            crop_ratio=tuple(augmentation["crop_ratio"]),
            flip=augmentation["flip"],
            augmentations=active_augmentations(augmentation),
            patches=frame if isinstance(frame, NativePatches) else None,
            budgets=tuple(one for one in augmentation.get("budgets", ()) if one <= most),
        )

    def __call__(self, picture: Picture, dice: np.random.Generator) -> Shown:
        """Returns one visit's view of a picture; raises BadRecord if it turns out to be damaged."""
        (left, top, right, bottom), mirrored = self.window(picture.width, picture.height, dice)
        width, height = self.frame.size(right - left, bottom - top)
        pixels, by = picture.reduced(min((right - left) / width, (bottom - top) / height))
        shown = self.frame.resize(pixels, (left / by, top / by, right / by, bottom / by))
        seed = dice.bit_generator.random_raw()
        if mirrored:
            shown = np.ascontiguousarray(shown[:, ::-1])
        return self.frame.packed(augment(shown, self.augmentations, seed) if self.augmentations else shown)

    def window(self, width: int, height: int, dice: np.random.Generator) -> tuple[Box, bool]:
        """Returns which part of an image a visit shows, in pixels, and whether it is mirrored: its first rolls."""
        box = self._random_box(width, height, dice)
        # Rolled whether needed or not: what is switched on must not change what else is shown.
        mirrored = dice.random() < 0.5
        return box, self.flip and mirrored

    def _random_box(self, width: int, height: int, dice: np.random.Generator) -> Box:
        region_width, region_height = (max(width, height),) * 2 if self.mode == "pad" else (width, height)
        area = dice.uniform(*self.crop_scale) * region_width * region_height
        low, high = self.crop_ratio
        ratio = math.exp(dice.uniform(math.log(low), math.log(high)))
        if self.mode == "squash":
            ratio *= region_width / region_height
        crop_width, crop_height = math.sqrt(area * ratio), math.sqrt(area / ratio)
        shrink = min(
            1.0, region_width / crop_width, region_height / crop_height
        )  # into the region, ratio kept
        left, right = _random_interval(width, region_width, crop_width * shrink, dice)
        top, bottom = _random_interval(height, region_height, crop_height * shrink, dice)
        return left, top, right, bottom


def _random_interval(
    extent: int, region: int, length: float, dice: np.random.Generator
) -> tuple[float, float]:
    """Place `length` in a region centred on the image: within the image if it fits, else around all of it."""
    margin = (region - extent) / 2
    low = max(min(0.0, extent - length), -margin)
    high = min(max(0.0, extent - length), extent + margin - length)
    start = low + dice.random() * max(0.0, high - low)
    return start, min(start + length, extent + margin)  # rounding must not lead out of the image
