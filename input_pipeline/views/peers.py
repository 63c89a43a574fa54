"""The evaluation views of other projects, for models that were trained with them: Pillow's filters, their rounding.

    transformers   colours first (transparency on white), whole picture resized, centre crop rounded down
    torchvision    resized as the file is stored (a palette by nearest neighbours), centre crop rounded to even, then
                   colours, transparency dropped: open_clip and OpenAI's CLIP
    tensorflow     colours, then bilinear samples without antialiasing: big_vision

Where transformers loads a file itself it obeys the orientation in EXIF and drops transparency, as is done here for
bytes and paths; a Pillow image is taken as it is, by all three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageOps

from input_pipeline.decode import Pixels
from input_pipeline.errors import UserError
from input_pipeline.views.frames import frame_of

INTERPOLATIONS: Mapping[str, Image.Resampling] = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}


class PeerView:
    """One of CONVENTIONS with the sizes of a preprocessing spec.

    Attributes:
      resolution: of the square that comes out.
      size: of what comes out where the whole image is shown, of its own width and height.
      mode: 'squash' the whole image; 'crop' the centre after the shorter side is `shorter_side`; 'pad' the whole image
        within a border of the grey level `fill`.
    """

    def __init__(self, preprocessing: Mapping[str, Any]) -> None:
        """Takes {"convention", "resolution", "resize", "interpolation"} and, if wanted, "shorter_side" and "fill".

        Raises:
          ValueError: a value that the convention does not have.
        """
        self.resolution, self.mode = int(preprocessing["resolution"]), str(preprocessing["resize"])
        self.shorter_side = int(preprocessing.get("shorter_side", self.resolution))
        self.fill = int(preprocessing.get("fill", 0))
        convention, interpolation = preprocessing["convention"], preprocessing["interpolation"]
        if convention not in CONVENTIONS:
            raise UserError(f"preprocessing convention '{convention}' is not one of {', '.join(CONVENTIONS)}")
        modes, self._view = CONVENTIONS[convention]
        if self.mode not in modes or interpolation not in INTERPOLATIONS:
            raise UserError(
                f"preprocessing '{convention}' has resize {' and '.join(modes)} with {' or '.join(INTERPOLATIONS)} "
                f"interpolation, not '{self.mode}' with '{interpolation}'"
            )
        if self.shorter_side < self.resolution:
            raise UserError(f"shorter_side {self.shorter_side} is below the resolution {self.resolution}")
        self.filter, self.size = INTERPOLATIONS[interpolation], frame_of(preprocessing).size
        self.upright_files = convention == "transformers"

    def __call__(self, image: Image.Image, *, from_file: bool) -> Pixels:
        """Returns the view of a loaded Pillow image, read from a file or given as such."""
        if from_file and self.upright_files:
            image = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(self._view(self, image))


def _transformers(view: PeerView, image: Image.Image) -> Image.Image:
    image = _on_white(image)
    if view.mode == "squash":
        return image.resize(view.size(*image.size), view.filter)
    image = image.resize(_shorter_to(view.shorter_side, image.size), view.filter)
    return _cropped(image, view.resolution, lambda margin: margin // 2)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _torchvision(view: PeerView, image: Image.Image) -> Image.Image:
    side = view.resolution
    if view.mode == "pad":
        return _fitted(image, side, view.fill, view.filter)
    if view.mode == "squash":
        return image.resize((side, side), view.filter).convert("RGB")
    size = _shorter_to(view.shorter_side, image.size)
    if size != image.size:  # torchvision leaves alone what has the size, and so does Pillow's resize
        image = image.resize(size, view.filter)
    return _cropped(image, side, lambda margin: round(margin / 2.0)).convert("RGB")


def _tensorflow(view: PeerView, image: Image.Image) -> Pixels:
    """`tf.image.resize(method="bilinear", antialias=False)` and its cast to uint8, which rounds down."""
    pixels = np.asarray(image.convert("RGB"))
    rows, columns = (_samples(extent, view.resolution) for extent in pixels.shape[:2])
    low, high, share = columns
    wide = pixels[:, low] * (1 - share[:, None]) + pixels[:, high] * share[:, None]
    low, high, share = rows
    mixed = wide[low] * (1 - share[:, None, None]) + wide[high] * share[:, None, None]
    return np.clip(mixed, 0, 255).astype(np.uint8)


CONVENTIONS: Mapping[str, tuple[tuple[str, ...], Callable[[PeerView, Image.Image], Any]]] = {
    "transformers": (("squash", "crop"), _transformers),
    "torchvision": (("squash", "crop", "pad"), _torchvision),
    "tensorflow": (("squash",), _tensorflow),
}


def _shorter_to(side: int, size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    longer = int(side * max(size) / min(size))
    return (side, longer) if width <= height else (longer, side)


def _cropped(image: Image.Image, side: int, half: Callable[[int], int]) -> Image.Image:
    left, top = half(image.width - side), half(image.height - side)
    return image.crop((left, top, left + side, top + side))


def _fitted(image: Image.Image, side: int, fill: int, resampling: Image.Resampling) -> Image.Image:
    """The longer side at `side`, centred on grey, the larger part of an odd border below and on the right."""
    ratio = max(image.size) / side
    width, height = (round(extent / ratio) for extent in image.size)
    resized = image.resize((width, height), resampling)
    # The border is filled before the colours are made, as torchvision does: of a palette, it is a place in it.
    canvas = Image.new(
        image.mode, (side, side), (fill,) * bands if (bands := len(image.getbands())) > 1 else fill
    )
    if image.mode == "P" and (palette := image.getpalette()):
        canvas.putpalette(palette)
    canvas.paste(resized, ((side - width) // 2, (side - height) // 2))
    return canvas.convert("RGB")


def _samples(extent: int, side: int) -> tuple[np.ndarray, np.ndarray, Float[np.ndarray, " side"]]:
    """For each of `side` samples between pixel centres: the pixel before, the one after, and the latter's share."""
    places = ((np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32(extent / side)) - np.float32(
        0.5
    )
    first = np.floor(places)
    low, high = (np.clip(first + step, 0, extent - 1).astype(np.int64) for step in (0, 1))
    return low, high, (places - first).astype(np.float32)
