"""The one resize against Pillow's own, and what training views may and may not show."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from input_pipeline.decode import open_picture, picture_of
from input_pipeline.records import Record, Region
from input_pipeline.views.bicubic import bicubic
from input_pipeline.views.image import EvaluationView, TrainingView

SIZES = [(64, 64), (64, 25), (23, 64), (100, 37), (7, 5), (500, 375), (3, 500)]


def picture(width: int, height: int) -> Image.Image:
    """Noise too faint for bicubic overshoot to be clipped, which would depend on the order of the two passes."""
    return Image.fromarray(np.random.default_rng(width).integers(90, 160, (height, width, 3), np.uint8))


def view(image: Image.Image, mode: str, resolution: int = 32) -> np.ndarray:
    return EvaluationView({"resolution": resolution, "resize": mode})(picture_of(image))


@pytest.mark.parametrize("size", SIZES)
def test_squash_is_pillows_bicubic(size: tuple[int, int]) -> None:
    image = picture(*size)
    golden = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(view(image, "squash").astype(int), golden.astype(int), atol=1)


@pytest.mark.parametrize("size", SIZES)
def test_crop_is_scale_the_shorter_side_then_centre_crop(size: tuple[int, int]) -> None:
    image = picture(*size)
    width, height = (int(32 * side / min(size)) for side in size)
    left, top = round((width - 32) / 2), round((height - 32) / 2)
    scaled = image.resize((width, height), Image.Resampling.BICUBIC)
    golden = np.asarray(scaled.crop((left, top, left + 32, top + 32)))
    # Filter weights are rounded at another offset: at most one step of 255 apart.
    np.testing.assert_allclose(view(image, "crop").astype(int), golden.astype(int), atol=1)


@pytest.mark.parametrize("size", SIZES)
def test_pad_is_fit_the_longer_side_then_centre_on_white(size: tuple[int, int]) -> None:
    image = picture(*size)
    width, height = (max(1, round(32 * side / max(size))) for side in size)
    shown = view(image, "pad")
    drawn = np.argwhere((shown != 255).any(-1))
    (top, left), (bottom, right) = drawn.min(0), drawn.max(0) + 1
    assert abs((right - left) - width) <= 1 and abs((bottom - top) - height) <= 1
    assert abs(left - (32 - right)) <= 1 and abs(top - (32 - bottom)) <= 1
    inner = np.asarray(image.resize((int(right - left), int(bottom - top)), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(shown[top:bottom, left:right].astype(int), inner.astype(int), atol=1)


@pytest.mark.parametrize("size", [(128, 80), (80, 128)])
def test_boxes_and_masks_lie_where_an_imported_model_sees_them(size: tuple[int, int]) -> None:
    """The shorter side is made 64 pixels, of which the middle 56 are kept."""
    spec = {"resolution": 56, "resize": "crop", "shorter_side": 64}
    seen = EvaluationView({**spec, "convention": "torchvision", "interpolation": "bilinear"})
    places = np.zeros(size[::-1], np.uint8)
    places[20:50, 30:60] = 1
    files = [io.BytesIO(), io.BytesIO()]
    for file, shown in zip(files, (places * 255, places), strict=True):
        Image.fromarray(shown).save(file, "PNG")
    image, mask = (file.getvalue() for file in files)
    width, height = size
    region = Region((30 / width, 20 / height, 60 / width, 50 / height), "a square", "square")
    record = Record("one", image, regions=(region,), mask=mask)
    white = seen.of_bytes(image)[..., 0] > 127
    drawn = np.argwhere(white)
    (top, left), (bottom, right) = drawn.min(0), drawn.max(0) + 1
    np.testing.assert_allclose(
        np.multiply(seen.regions(record)[0].box, 56), (left, top, right, bottom), atol=1
    )
    assert (seen.mask(record) != white).mean() < 0.02


def test_downscaling_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    for mode in ("squash", "crop", "pad"):
        assert np.abs(view(Image.fromarray(stripes), mode, 16).astype(int) - 127).max() < 20


@pytest.mark.parametrize("mode", ["squash", "crop", "pad"])
def test_extreme_shapes_give_a_picture_without_a_huge_canvas(mode: str) -> None:
    for size in [(20_000, 1), (1, 20_000), (1, 1)]:
        assert view(Image.new("RGB", size, "red"), mode).shape == (32, 32, 3)


@pytest.mark.parametrize("mode", ["squash", "pad"])
@pytest.mark.parametrize("size", SIZES)
def test_a_training_view_of_everything_is_the_evaluation_view(mode: str, size: tuple[int, int]) -> None:
    train = TrainingView(32, mode, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0))
    image = picture(*size)
    shown = train(picture_of(image), np.random.default_rng(0))
    np.testing.assert_allclose(shown.astype(int), view(image, mode).astype(int), atol=1)


def test_a_crop_shows_one_part_and_stays_inside_the_image() -> None:
    row = np.arange(200, dtype=np.uint8)
    image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(row[None, :, None], (100, 200, 3))))
    train = TrainingView(32, "crop", crop_scale=(0.1, 0.3), crop_ratio=(1.0, 1.0))
    starts = set()
    for seed in range(50):
        shown = train(picture_of(image), np.random.default_rng(seed)).astype(int)
        assert shown.max() < 200  # never the white beyond the image
        width = shown[0, -1, 0] - shown[0, 0, 0]
        assert np.sqrt(0.1 * 20_000) * 0.9 < width < np.sqrt(0.3 * 20_000) * 1.05
        starts.add(shown[0, 0, 0])
    assert len(starts) > 20


def test_a_small_crop_of_a_thin_padded_image_always_shows_it() -> None:
    image = Image.new("RGB", (200, 4), "black")
    train = TrainingView(32, "pad", crop_scale=(0.05, 0.3), crop_ratio=(0.5, 2.0))
    for seed in range(100):
        assert (train(picture_of(image), np.random.default_rng(seed)) < 128).any()


def test_flip_mirrors_about_half_of_the_visits() -> None:
    image = picture(32, 32)
    train = TrainingView(32, "squash", flip=True)
    shown = [train(picture_of(image), np.random.default_rng(seed)) for seed in range(100)]
    plain, mirrored = np.asarray(image), np.asarray(image)[:, ::-1]
    flips = sum(np.array_equal(one, mirrored) for one in shown)
    assert flips + sum(np.array_equal(one, plain) for one in shown) == 100
    assert 30 < flips < 70


def test_load_takes_whatever_holds_an_image(tmp_path: Path) -> None:
    image = picture(40, 30)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    path = tmp_path / "image.png"
    path.write_bytes(buffer.getvalue())
    preprocess = EvaluationView({"resolution": 16, "resize": "crop"})
    shown = preprocess.load([image, np.asarray(image), path, str(path), buffer.getvalue()])
    assert shown.shape == (5, 16, 16, 3) and shown.dtype == np.uint8
    assert (shown == shown[0]).all()
    np.testing.assert_array_equal(preprocess.load(image), shown[:1])
    np.testing.assert_array_equal(preprocess.load(np.stack([np.asarray(image)] * 2)), shown[:2])
    assert preprocess.load([]).shape == (0, 16, 16, 3)


@pytest.mark.parametrize(
    "image", [b"no image", "no/such/file.png", np.zeros((4, 4, 3)), np.zeros((2, 2, 5), np.uint8)]
)
def test_what_cannot_be_read_is_named(image: object) -> None:
    with pytest.raises(ValueError, match="image 1 cannot be read"):
        EvaluationView({"resolution": 16, "resize": "crop"}).load([picture(4, 4), image])


def test_odd_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="squash, crop, pad"):
        EvaluationView({"resolution": 16, "resize": "stretch"})
    with pytest.raises(ValueError, match="crop_scale"):
        TrainingView(16, "pad", crop_scale=(0.5, 1.5))


@pytest.mark.parametrize("size", [(32, 32), (31, 9), (120, 7)])
def test_any_box_is_resized_as_pillow_does(size: tuple[int, int]) -> None:
    dice = np.random.default_rng(size[0])
    for _ in range(100):
        width, height = (int(side) for side in dice.integers(2, 80, 2))
        (left, top), (right, bottom) = dice.uniform(0, 0.45, 2), dice.uniform(0.55, 1, 2)
        box = (left * width, top * height, right * width, bottom * height)
        pixels = dice.integers(90, 160, (height, width, 3), np.uint8)
        golden = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, box))
        difference = np.abs(bicubic(pixels, box, size).astype(int) - golden)
        # Rounded after each of two passes: seldom by more than one step.
        assert difference.max() <= 2 and (difference > 1).mean() < 0.01


@pytest.mark.parametrize("turned", [False, True])
def test_what_lies_beyond_a_box_counts_as_far_as_the_filter_reaches(turned: bool) -> None:
    pixels = np.full((120, 30, 3), 160, np.uint8)
    pixels[:40] = 40  # four rows before the box, which is shrunk to a twelfth
    box = (0.0, 0.0, 30.0, 76.0) if turned else (0.0, 44.0, 30.0, 120.0)
    pixels = pixels[::-1].copy() if turned else pixels
    golden = np.asarray(Image.fromarray(pixels).resize((9, 6), Image.Resampling.BICUBIC, box))
    assert golden.max() >= 163
    assert np.abs(bicubic(pixels, box, (9, 6)).astype(int) - golden).max() <= 1


@pytest.mark.parametrize("size", [(750, 562), (1024, 768), (2000, 1500)])
def test_reduced_decoding_costs_under_two_grey_levels(size: tuple[int, int]) -> None:
    dice = np.random.default_rng(0)
    coarse = Image.fromarray(dice.integers(0, 256, (60, 80, 3), np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    noisy = np.clip(np.asarray(coarse) + dice.normal(0, 6, (*size[::-1], 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=92)
    picture = open_picture(buffer.getvalue())
    assert picture.reduced(min(size) / 224)[1] > 1
    shown = TrainingView(224, "squash")(picture, np.random.default_rng(0))
    golden = np.asarray(Image.open(buffer).resize((224, 224), Image.Resampling.BICUBIC))
    assert np.abs(shown.astype(int) - golden).mean() < 2


def test_areas_of_crops_are_uniform_and_their_ratios_log_uniform() -> None:
    train = TrainingView(32, "crop", crop_scale=(0.1, 0.4), crop_ratio=(0.5, 2.0))
    dice = np.random.default_rng(0)
    boxes = np.array([train._random_box(1000, 1000, dice) for _ in range(2000)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, ratio = width * height / 1000**2, np.log2(width / height)
    for values, low, high in ((area, 0.1, 0.4), (ratio, -1.0, 1.0)):
        assert low <= values.min() and values.max() <= high
        quartiles = np.quantile(values, (0.25, 0.5, 0.75))
        np.testing.assert_allclose(
            quartiles, low + (high - low) * np.array([0.25, 0.5, 0.75]), atol=0.05 * (high - low)
        )


@pytest.mark.parametrize("mode", ["squash", "crop", "pad"])
def test_a_crop_is_of_the_share_of_its_region_and_lies_in_it(mode: str) -> None:
    """Of 200 x 50 pixels; a padded one is a square of 200, and what fits lies inside the image."""
    train = TrainingView(32, mode, crop_scale=(0.04, 0.04), crop_ratio=(1.0, 1.0))
    sides = {"squash": (40, 10), "crop": (20, 20), "pad": (40, 40)}[mode]
    for seed in range(20):
        left, top, right, bottom = train._random_box(200, 50, np.random.default_rng(seed))
        assert (right - left, bottom - top) == pytest.approx(sides)
        assert left >= 0 and right <= 200 and top >= 0 and bottom <= 50
    whole = TrainingView(32, mode, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0))
    left, top, right, bottom = whole._random_box(200, 50, np.random.default_rng(0))
    assert (top, bottom) == pytest.approx({"squash": (0, 50), "crop": (0, 50), "pad": (-75, 125)}[mode])
    assert right - left == pytest.approx({"squash": 200, "crop": 50, "pad": 200}[mode])


@pytest.mark.parametrize("mode", ["squash", "crop"])
def test_no_crop_leads_out_of_the_image_by_rounding(mode: str) -> None:
    """One in three thousand did, which the resize of images at their own aspect ratio refuses."""
    train = TrainingView(32, mode, crop_scale=(0.5, 1.0), crop_ratio=(0.75, 4 / 3))
    dice = np.random.default_rng(0)
    for width, height in dice.integers(20, 600, (20_000, 2)).tolist():
        left, top, right, bottom = train._random_box(width, height, dice)
        assert min(left, top) >= 0 and right <= width and bottom <= height


@pytest.mark.parametrize(
    "settings", [{"crop_scale": (0.0, 1.0)}, {"crop_scale": (0.6, 0.5)}, {"crop_ratio": (0.0, 1.0)},
                 {"crop_ratio": (2.0, 1.0)}, {"resolution": 0}],
)  # fmt: skip
def test_spans_that_are_none_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        TrainingView(**{"resolution": 16, "mode": "pad"} | settings)  # type: ignore[arg-type]
