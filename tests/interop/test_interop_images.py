"""Pixels of imported preprocessing beside those of transformers and open_clip, to one grey level."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from input_pipeline.views.image import EvaluationView
from vlp.interop.images import preprocessing_of, write_preprocessing

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def levels(normalised: Any, spec: dict[str, Any]) -> np.ndarray:
    """Grey levels [height, width, 3] of a peer's normalised [3, height, width]."""
    pixels = np.moveaxis(np.asarray(normalised, np.float64), 0, -1)
    return (pixels * np.array(spec["std"]) + np.array(spec["mean"])) * 255


def check(spec: dict[str, Any], pictures: dict[str, Image.Image], peer: Any) -> None:
    view = EvaluationView(spec)
    for name, image in pictures.items():
        theirs = levels(peer(image), spec)
        ours = view.load(image)[0]
        assert ours.shape == theirs.shape, name
        assert np.abs(ours - theirs).max() < 0.01, name


CLIP: dict[str, Any] = {
    "crop_size": {"height": 48, "width": 48},
    "do_center_crop": True,
    "size": {"shortest_edge": 48},
    "resample": 3,
    "image_mean": MEAN,
    "image_std": STD,
}
SIGLIP = {"size": {"height": 48, "width": 48}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
HUGGINGFACE = {
    "clip": ("huggingface_clip", CLIP),
    "clip odd": (
        "huggingface_clip",
        {**CLIP, "crop_size": {"height": 47, "width": 47}, "size": {"shortest_edge": 47}},
    ),
    "clip larger": ("huggingface_clip", {**CLIP, "size": {"shortest_edge": 60}}),
    "clip of old": ("huggingface_clip", {**CLIP, "size": 48, "crop_size": 48}),
    "siglip": ("huggingface_siglip", {**SIGLIP, "resample": 3}),
    "siglip2": ("huggingface_siglip2", {**SIGLIP, "resample": 2}),
}


@pytest.mark.parametrize("name", HUGGINGFACE)
def test_pixels_are_those_of_transformers(
    name: str, pictures: dict[str, Image.Image], tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is a peer, not a dependency")
    family, settings = HUGGINGFACE[name]
    kind = "CLIPImageProcessor" if family == "huggingface_clip" else "SiglipImageProcessor"
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**settings, "image_processor_type": kind}))
    spec = json.loads(json.dumps(preprocessing_of(tmp_path, family)))
    processors = [
        getattr(transformers, f"{kind}Pil").from_pretrained(tmp_path),
        transformers.AutoImageProcessor.from_pretrained(tmp_path),
    ]
    exact, usual = [
        lambda image, made=made: made(image, return_tensors="np")["pixel_values"][0] for made in processors
    ]
    check(spec, pictures, exact)
    # Where torchvision is installed, transformers resizes tensors, which clip overshoot at hard edges elsewhere.
    view, real = EvaluationView(spec), [image for name, image in pictures.items() if name.startswith("real")]
    apart = [np.abs(view.load(image)[0] - levels(usual(image), spec)) for image in real]
    assert np.mean([(levels_apart > 1.01).mean() for levels_apart in apart]) < 2e-3


def test_files_are_turned_upright_as_transformers_does(
    tmp_path: Path, pictures: dict[str, Image.Image]
) -> None:
    loading = pytest.importorskip(
        "transformers.image_utils", reason="transformers is a peer, not a dependency"
    )
    image, exif = pictures["200x133"], Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    pictures["RGBA"].save(tmp_path / "transparent.png")
    spec = {"resolution": 48, "resize": "squash", "interpolation": "bicubic", "convention": "transformers"}
    view = EvaluationView(spec)
    for name in ("turned.png", "transparent.png"):
        loaded = loading.load_image(str(tmp_path / name)).resize((48, 48), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(view.load(tmp_path / name)[0], np.asarray(loaded))
    sideways = image.resize((48, 48), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(view.load(Image.open(tmp_path / "turned.png"))[0], np.asarray(sideways))


OPEN_CLIP: dict[str, dict[str, Any]] = {
    "shortest": {},
    "shortest bilinear": {"interpolation": "bilinear"},
    "squash": {"resize_mode": "squash", "mean": [0.5] * 3, "std": [0.5] * 3},
    "longest": {"resize_mode": "longest", "fill_color": 255},
    "longest black": {"resize_mode": "longest", "interpolation": "bilinear"},
}


def open_clip_transform(settings: dict[str, Any], side: int) -> Any:
    transform = pytest.importorskip("open_clip.transform", reason="open_clip is a peer, not a dependency")
    config = transform.PreprocessCfg(**{"size": side, **settings})
    return transform.image_transform_v2(config, is_train=False)


@pytest.mark.parametrize("side", [48, 47])
@pytest.mark.parametrize("name", OPEN_CLIP)
def test_pixels_are_those_of_open_clip(
    name: str, side: int, pictures: dict[str, Image.Image], tmp_path: Path
) -> None:
    settings = OPEN_CLIP[name]
    peer = open_clip_transform(settings, side)
    config = {"model_cfg": {"vision_cfg": {"image_size": side}}, "preprocess_cfg": {"size": 224, **settings}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    spec = json.loads(json.dumps(preprocessing_of(tmp_path, "open_clip")))
    check(spec, pictures, peer)


def test_openai_is_open_clips_default(tmp_path: Path, pictures: dict[str, Image.Image]) -> None:
    check(preprocessing_of(tmp_path, "openai", resolution=48), pictures, open_clip_transform({}, 48))
    with pytest.raises(ValueError, match="resolution"):
        preprocessing_of(tmp_path, "openai")


def test_bytes_and_images_are_one_view(pictures: dict[str, Image.Image]) -> None:
    view = EvaluationView(
        {"resolution": 40, "resize": "crop", "interpolation": "bicubic", "convention": "torchvision"}
    )
    for name in ("200x133", "P", "RGBA", "L"):
        buffer = io.BytesIO()
        pictures[name].save(buffer, "PNG")
        np.testing.assert_array_equal(view.of_bytes(buffer.getvalue()), view.load(pictures[name])[0])


def test_samples_are_those_of_tensorflow(tmp_path: Path, pictures: dict[str, Image.Image]) -> None:
    """jax.image.resize without antialiasing follows tf.image.resize; big_vision then casts, which rounds down."""
    import jax

    spec = preprocessing_of(tmp_path, "big_vision", resolution=48)
    view = EvaluationView(spec)
    for name in ("200x133", "31x17", "640x37", "real 1 larger"):
        pixels = np.asarray(pictures[name], np.float32)
        theirs = jax.image.resize(pixels, (48, 48, 3), "bilinear", antialias=False)
        assert np.abs(view.load(pictures[name])[0] - np.floor(np.asarray(theirs))).max() <= 1, name
    assert (spec["mean"], spec["std"]) == ([0.5] * 3, [0.5] * 3)


@pytest.mark.parametrize("name", HUGGINGFACE)
def test_transformers_files_come_back(name: str, tmp_path: Path) -> None:
    family, settings = HUGGINGFACE[name]
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    spec = preprocessing_of(tmp_path, family)
    (tmp_path / "out").mkdir()
    assert write_preprocessing(spec, tmp_path / "out", family) == []
    assert preprocessing_of(tmp_path / "out", family) == spec


@pytest.mark.parametrize("name", OPEN_CLIP)
def test_open_clip_files_come_back(name: str, tmp_path: Path) -> None:
    config = {"model_cfg": {"embed_dim": 8}, "preprocess_cfg": {"size": 48, **OPEN_CLIP[name]}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    spec = preprocessing_of(tmp_path, "open_clip")
    assert write_preprocessing(spec, tmp_path, "open_clip") == []
    assert preprocessing_of(tmp_path, "open_clip") == spec
    assert json.loads((tmp_path / "open_clip_config.json").read_text())["model_cfg"] == {"embed_dim": 8}


def test_our_own_preprocessing_says_what_is_lost(tmp_path: Path, pictures: dict[str, Image.Image]) -> None:
    spec = {"resolution": 48, "resize": "pad", "mean": [0.5] * 3, "std": [0.5] * 3}
    assert any("squashes" in note for note in write_preprocessing(spec, tmp_path, "huggingface_siglip"))
    assert write_preprocessing(spec, tmp_path, "open_clip")
    settings = json.loads((tmp_path / "open_clip_config.json").read_text())["preprocess_cfg"]
    assert (settings["resize_mode"], settings["fill_color"]) == ("longest", 255)
    square = pictures["64x64"]
    theirs = levels(open_clip_transform(settings, 48)(square), spec)
    assert np.abs(EvaluationView(spec).load(square)[0] - theirs).max() < 1.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_rescale": False}, "do_rescale=False"),
        ({"do_rescale": None}, "do_rescale=False"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor"),
        ({"resample": 0}, "resample=0"),
        ({"do_center_crop": False}, "size="),
        ({"crop_size": {"height": 48, "width": 32}}, "only squares"),
    ],
)
def test_what_no_view_does_is_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**CLIP, **settings}))
    with pytest.raises(ValueError, match=message):
        preprocessing_of(tmp_path, "huggingface_clip")


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("huggingface_clip", {"resize": "crop", "mean": MEAN, "std": STD, "convention": "transformers"}),
        (
            "huggingface_siglip",
            {"resize": "squash", "mean": [0.5] * 3, "std": [0.5] * 3, "convention": "transformers"},
        ),
        ("open_clip", {"resize": "crop", "mean": MEAN, "std": STD, "convention": "torchvision"}),
    ],
)
def test_what_a_file_leaves_out_is_what_its_project_has(
    family: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("preprocessor_config.json", "open_clip_config.json"):
        (tmp_path / name).write_text("{}")
    spec = preprocessing_of(tmp_path, family)
    assert spec == {"resolution": 224, "interpolation": "bicubic", **expected}


def test_values_of_open_clip_are_read_as_they_are_and_checked(tmp_path: Path) -> None:
    def read(preprocess: dict[str, Any], resolution: int | None = None, **model: Any) -> dict[str, Any]:
        content = {"model_cfg": {"vision_cfg": model}, "preprocess_cfg": preprocess}
        (tmp_path / "open_clip_config.json").write_text(json.dumps(content))
        return preprocessing_of(tmp_path, "open_clip", resolution=resolution)

    assert (
        read({"size": 48})["resolution"] == 48 and read({"size": 48}, image_size=[64, 64])["resolution"] == 64
    )
    assert read({"size": 48}, 32, image_size=64)["resolution"] == 32
    assert read({"interpolation": "random"})["interpolation"] == "bicubic"
    assert read({"mean": [0.0, -0.5, 1.0], "std": 2})["std"] == [2.0] * 3
    assert read({"resize_mode": "longest"})["fill"] == 0 and "fill" not in read({"fill_color": 9})
    for preprocess in (
        {"mode": "L"},
        {"std": 0.0},
        {"resize_mode": "longest", "fill_color": 256},
        {"size": [8, 9]},
    ):
        with pytest.raises(ValueError, match="is not supported, only"):
            read(preprocess)


@pytest.mark.parametrize(
    ("spec", "family", "notes"),
    [
        ({"resize": "squash", "convention": "transformers"}, "huggingface_siglip", 0),
        ({"resize": "squash", "convention": "torchvision"}, "huggingface_siglip", 1),
        ({"resize": "pad"}, "huggingface_clip", 2),
        ({"resize": "crop", "convention": "torchvision"}, "open_clip", 0),
        ({"resize": "crop", "convention": "torchvision", "shorter_side": 60}, "open_clip", 1),
        ({"resize": "crop"}, "open_clip", 1),
    ],
)
def test_what_is_lost_in_writing_is_said_once_each(
    spec: dict[str, Any], family: str, notes: int, tmp_path: Path
) -> None:
    whole = {"resolution": 48, "mean": [0.5] * 3, "std": [0.5] * 3, **spec}
    assert len(write_preprocessing(whole, tmp_path, family)) == notes
    with pytest.raises(ValueError, match="no preprocessing is written for 'openai'"):
        write_preprocessing(whole, tmp_path, "openai")


@pytest.mark.parametrize("given", [3.5, {}, [3], "224", None])
def test_timms_side_is_a_number_or_refused(given: object, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": {"input_size": given}}))
    with pytest.raises(ValueError, match=r"pretrained_cfg.input_size=.* is not supported"):
        preprocessing_of(tmp_path, "timm")
