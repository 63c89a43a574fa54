"""Augmentations against their formulas, and that none of them shifts another's dice."""

from __future__ import annotations

import colorsys
import pickle
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from input_pipeline.decode import picture_of
from input_pipeline.views.augmentations import ColorJitter, active_augmentations, augment, turn_hue
from input_pipeline.views.image import TrainingView
from input_pipeline.views.rand_augment import OPERATIONS, RandAugment

PLAIN = {"crop_scale": (0.3, 1.0), "crop_ratio": (0.75, 1.33), "flip": False}
EVERYTHING = {
    "color_jitter": (0.8, 0.8, 0.8, 0.2),
    "color_jitter_probability": 0.8,
    "grayscale": 0.5,
    "blur": 0.5,
    "solarize": 0.5,
    "rand_augment": (2, 9),
}


def picture(seed: int = 0, side: int = 48) -> Image.Image:
    coarse = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8))
    return coarse.resize((side, side), Image.Resampling.BICUBIC)


def shown(seed: int, **settings: Any) -> np.ndarray:
    view = TrainingView.build({"resolution": 32, "resize": "squash"}, PLAIN | settings)
    return view(picture_of(picture()), np.random.default_rng(seed))


def test_off_by_default() -> None:
    off = dict.fromkeys(("grayscale", "blur", "solarize"), 0.0)
    off |= {"color_jitter": (0, 0, 0, 0), "color_jitter_probability": 0.8, "rand_augment": (0, 9)}
    assert active_augmentations(off) == active_augmentations({}) == ()


def test_a_view_is_a_function_of_picture_and_dice() -> None:
    view = TrainingView.build({"resolution": 32, "resize": "pad"}, PLAIN | EVERYTHING)
    copy = pickle.loads(pickle.dumps(view))  # as a worker gets it
    for seed in range(20):
        one = view(picture_of(picture()), np.random.default_rng(seed))
        other = copy(picture_of(picture()), np.random.default_rng(seed))
        assert one.dtype == np.uint8 and one.shape == (32, 32, 3)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "added", [{"flip": True}, {"solarize": 0.5}, {"blur": 0.01}, {"rand_augment": (1, 0)}]
)
def test_what_is_switched_on_shifts_no_other_dice(added: dict[str, Any]) -> None:
    """Wherever the added part happens to do nothing, the view is the one without it."""
    same = sum(
        np.array_equal(shown(seed, grayscale=0.5), shown(seed, grayscale=0.5, **added)) for seed in range(60)
    )
    assert same > (2 if "rand_augment" in added else 10)


@pytest.mark.parametrize("name", ["grayscale", "blur", "solarize"])
def test_probabilities_hold(name: str) -> None:
    image = np.asarray(picture())
    active = active_augmentations({name: 0.3})
    changed = sum(not np.array_equal(augment(image, active, seed), image) for seed in range(300))
    assert 60 < changed < 120


def test_grayscale_and_solarize_by_their_formulas() -> None:
    image = np.asarray(picture())
    luma = image @ np.array([0.299, 0.587, 0.114])
    grey = augment(image, active_augmentations({"grayscale": 1.0}), 0)
    assert (grey == grey[..., :1]).all() and np.abs(grey[..., 0] - luma).max() <= 1
    solar = augment(image, active_augmentations({"solarize": 1.0}), 0)
    np.testing.assert_array_equal(solar, np.where(image < 128, image, 255 - image))


def test_blur_keeps_the_mean_and_takes_contrast() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    deviations = []
    for seed in range(20):
        blurred = augment(image, active_augmentations({"blur": 1.0}), seed)
        assert abs(blurred.mean() - image.mean()) < 1
        deviations.append(blurred.std())
    assert max(deviations) > 0.8 * image.std() and min(deviations) < 0.3 * image.std()


@pytest.mark.parametrize("turn", [-0.5, -0.1, 0.0, 0.25])
def test_hue_turns_as_colorsys_says(turn: float) -> None:
    image = picture(3, side=12)
    turned = np.asarray(turn_hue(image, turn)).reshape(-1, 3)
    for before, after in zip(np.asarray(image).reshape(-1, 3), turned, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(before / 255))
        expected = np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)) * 255
        assert np.abs(after - expected).max() < 12  # Pillow's HSV has 8 bits


@pytest.mark.parametrize("which", range(3))
def test_jitter_blends_with_black_the_mean_or_grey(which: int) -> None:
    image = np.asarray(picture()).astype(float)
    luma = image @ np.array([0.299, 0.587, 0.114])
    other = (np.zeros_like(image), np.full_like(image, luma.mean()), luma[..., None])[which]
    strengths = tuple(0.9 if place == which else 0.0 for place in range(4))
    factors = []
    for seed in range(20):
        jittered = np.asarray(ColorJitter(strengths)(picture(), np.random.default_rng(seed))).astype(float)
        inside = (jittered > 0) & (jittered < 255) & (np.abs(image - other) > 20)
        factor = np.median(((jittered - other) / np.where(inside, image - other, 1.0))[inside])
        expected = np.clip(other + factor * (image - other), 0, 255)
        assert np.abs(jittered - expected).max() < 4
        factors.append(factor)
    assert 0.05 < min(factors) < 0.5 and 1.5 < max(factors) < 1.95


def test_an_affine_map_turns_moves_and_scales_around_the_middle() -> None:
    image = np.zeros((41, 41, 3), np.uint8)
    image[5:12, 18:23] = 255  # a mark above the middle
    seen = []
    for seed in range(40):
        moved = (
            augment(image, active_augmentations({"affine": (20.0, 0.1, 0.95, 1.05)}), seed)[..., 0] / 255.0
        )
        y, x = np.average(np.indices(moved.shape).reshape(2, -1), axis=1, weights=moved.ravel())
        seen.append((np.degrees(np.arctan2(x - 20, 20 - y)), np.hypot(x - 20, y - 20)))
    angles, lengths = np.asarray(seen).T
    # The mark is 12 pixels off: turned by up to 20 degrees, moved by up to 4.1 either way, scaled by up to 5 %.
    assert np.ptp(angles) > 20 and np.abs(angles).max() < 20 + np.degrees(np.arcsin(0.55))
    assert np.ptp(lengths) > 3 and lengths.min() > 12 * 0.95 - 5.9 and lengths.max() < 12 * 1.05 + 5.9
    turned = augment(image, active_augmentations({"affine": (90.0, 0.0, 1.0, 1.0)}), 3)
    assert np.abs(turned.astype(float).sum() / image.astype(float).sum() - 1) < 0.05
    larger = augment(image, active_augmentations({"affine": (0.0, 0.0, 1.3, 1.3)}), 0)
    assert larger.astype(float).sum() / image.astype(float).sum() == pytest.approx(1.69, rel=0.05)


def test_a_blur_goes_up_to_the_sigma_that_is_asked_for() -> None:
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 20] = 255
    widest = {
        high: min(augment(image, active_augmentations({"blur": 1.0, "blur_sigma": (0.1, high)}), seed)[20, 20, 0]
                  for seed in range(40))
        for high in (0.11, 2.0, 6.0)
    }  # fmt: skip
    assert widest[0.11] > 200 > widest[2.0] > widest[6.0]


@pytest.mark.parametrize(
    "settings",
    [{"affine": (-1.0, 0.0, 1.0, 1.0)}, {"affine": (0.0, 2.0, 1.0, 1.0)}, {"affine": (0.0, 0.0, 1.2, 1.0)},
     {"blur_sigma": (0.0, 1.0)}, {"blur_sigma": (2.0, 1.0)}],
)  # fmt: skip
def test_maps_and_sigmas_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"affine|blur_sigma"):
        active_augmentations(settings)


def test_rand_augment_at_magnitude_zero_moves_nothing() -> None:
    image = picture()
    for operation in OPERATIONS[:10]:
        np.testing.assert_allclose(
            np.asarray(operation(image, 0.0)).astype(int), np.asarray(image).astype(int), atol=1
        )
    np.testing.assert_array_equal(
        np.asarray(RandAugment(0, 9)(image, np.random.default_rng(0))), np.asarray(image)
    )


def test_rand_augment_draws_all_operations_both_ways() -> None:
    image = picture()
    seen = {
        np.asarray(RandAugment(1, 30)(image, np.random.default_rng(seed))).tobytes() for seed in range(300)
    }
    # 14 operations, 8 of them with a sign; equalising and the like may leave the picture alone.
    assert 17 <= len(seen) <= 23
    brighter = np.asarray(ImageEnhance.Brightness(image).enhance(1.9)).tobytes()
    darker = np.asarray(ImageEnhance.Brightness(image).enhance(0.1)).tobytes()
    assert {brighter, darker} <= seen


@pytest.mark.parametrize(
    "settings",
    [
        {"color_jitter": (0.1, 0.1, 0.1)},
        {"color_jitter": (0.1, 0.1, 0.1, 0.6)},
        {"grayscale": 1.5},
        {"rand_augment": (1, 31)},
    ],
)
def test_odd_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        active_augmentations(settings)


@pytest.mark.parametrize(("operation", "level", "mark"), [
    (1, 1.0, (100 + 0.3 * 65.5, 100)),  # shear by 0.3 of the distance from the middle
    (2, 1.0, (100, 100 + 0.3 * 65.5)),
    (3, 1.0, (100 - 150 * 0.2, 100)),  # 150 of 331 pixels
    (4, -1.0, (100, 100 + 150 * 0.2)),
    (5, 1.0, None),
])  # fmt: skip
def test_rand_augment_moves_a_mark_by_what_torchvision_does(operation: int, level: float, mark: Any) -> None:
    side = 331
    image = np.zeros((side, side, 3), np.uint8)
    image[96:105, 96:105] = 255
    image = Image.fromarray(255 - image)  # a dark mark, for white comes in
    moved = 255.0 - np.asarray(OPERATIONS[operation](image, 0.2 * level if operation in (3, 4) else level))
    y, x = np.average(np.indices((side, side)).reshape(2, -1), axis=1, weights=moved[..., 0].ravel())
    if mark is None:  # turned by 30 degrees against the clock
        angle, middle = np.radians(30), 165.0
        mark = (
            middle + np.cos(angle) * (100 - middle) + np.sin(angle) * (100 - middle),
            middle - np.sin(angle) * (100 - middle) + np.cos(angle) * (100 - middle),
        )
    assert (x, y) == pytest.approx(mark, abs=0.6)


def test_rand_augment_changes_values_by_what_torchvision_does() -> None:
    image = picture()
    pixels = np.asarray(image)
    kinds = {
        6: ImageEnhance.Brightness,
        7: ImageEnhance.Color,
        8: ImageEnhance.Contrast,
        9: ImageEnhance.Sharpness,
    }
    for place, kind in kinds.items():
        for level in (-1.0, 0.5):
            expected = np.asarray(kind(image).enhance(1 + 0.9 * level))
            np.testing.assert_array_equal(np.asarray(OPERATIONS[place](image, level)), expected)
    for level, bits in ((1.0, 0xF0), (-0.5, 0xFC), (0.0, 0xFF)):
        np.testing.assert_array_equal(np.asarray(OPERATIONS[10](image, level)), pixels & bits)
    for level, threshold in ((1.0, 0), (-0.4, 153), (0.0, 255)):
        expected = np.where(pixels < threshold, pixels, 255 - pixels)
        np.testing.assert_array_equal(np.asarray(OPERATIONS[11](image, level)), expected)
    assert len(OPERATIONS) == 14


def test_rand_augment_has_a_sign_half_of_the_time_and_as_many_draws_as_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    levels: list[float] = []
    spy = (lambda image, level: levels.append(level) or image,)
    monkeypatch.setattr("input_pipeline.views.rand_augment.OPERATIONS", spy)
    for seed in range(200):
        RandAugment(2, 15)(picture(), np.random.default_rng(seed))
    assert len(levels) == 400 and set(levels) == {-0.5, 0.5} and 140 < levels.count(0.5) < 260


def test_jitter_draws_from_what_its_strengths_say() -> None:
    class Spy:
        def __init__(self) -> None:
            self.spans: list[tuple[float, float]] = []

        def permutation(self, count: int) -> list[int]:
            return list(range(count))

        def uniform(self, low: float, high: float) -> float:
            self.spans.append((low, high))
            return high

    dice = Spy()
    ColorJitter((2.0, 0.25, 1.0, 0.5))(picture(), dice)  # type: ignore[arg-type]
    assert dice.spans == [(0.0, 3.0), (0.75, 1.25), (0.0, 2.0), (-0.5, 0.5)]
