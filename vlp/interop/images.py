"""Image preprocessing of other projects' folders, as our spec and back."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from vlp.interop import fields
from vlp.interop.tokenizer_files import OPEN_CLIP, read_json, update_json

Spec = dict[str, Any]
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# What transformers' image processors take where a folder does not say, and which one a model without a name has.
_SQUARE = {"height": 224, "width": 224}
_CROPPED: Spec = {
    "size": {"shortest_edge": 224},
    "crop_size": _SQUARE,
    "do_center_crop": True,
    "image_mean": CLIP_MEAN,
    "image_std": CLIP_STD,
}
# Of these a size that is one number is that of a square, elsewhere that of the shorter side.
_SQUASHED: Spec = {"size": _SQUARE, "default_to_square": True, "resample": 2}
PROCESSORS: Mapping[str, Spec] = {
    "Bit": _CROPPED,
    "CLIP": _CROPPED,
    "ViT": {**_SQUASHED, "image_mean": HALF, "image_std": HALF},
    "DINOv3ViT": {**_SQUASHED, "image_mean": IMAGENET_MEAN, "image_std": IMAGENET_STD},
}
PROCESSOR_OF = {"vit": "ViT", "dinov3_vit": "DINOv3ViT"}
PREPROCESSOR = "preprocessor_config.json"
# Pillow's numbers for filters, as they stand in preprocessor_config.json.
_RESAMPLE = {2: "bilinear", 3: "bicubic"}
# What a preprocessor_config.json may say: what is read here, and what changes no pixel of an RGB image.
HUGGINGFACE_KNOWN = {
    "do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor", "do_normalize",
    "image_mean", "image_std", "do_convert_rgb", "image_processor_type", "feature_extractor_type", "processor_class",
    "auto_map", "default_to_square", "_valid_processor_keys", "_processor_class", "data_format", "input_data_format",
    "disable_grouping", "device", "return_tensors", "image_seq_length",
}  # fmt: skip
_OPEN_CLIP_RESIZE = {"shortest": "crop", "squash": "squash", "longest": "pad"}


def preprocessing_of(folder: Path, family: str, *, resolution: int | None = None) -> Spec:
    """Returns the preprocessing of a folder of another project's files: what `EvaluationView` and checkpoints take.

    Args:
      folder: of the files.
      family: a name in FAMILIES.
      resolution: of the model, which weights alone do not say: needed for 'openai' and 'big_vision', and where an
        open_clip_config.json names no image size.

    Raises:
      ValueError: a file is missing, or says something that no evaluation view does.
    """
    if family not in FAMILIES:
        raise UserError(f"family '{family}' is not one of {', '.join(FAMILIES)}")
    return FAMILIES[family](Path(folder), resolution)


def _huggingface_clip(folder: Path, resolution: int | None) -> Spec:
    defaults = {
        "size": {"shortest_edge": 224},
        "crop_size": {"height": 224, "width": 224},
        "do_center_crop": True,
        "image_mean": CLIP_MEAN,
        "image_std": CLIP_STD,
    }
    return _huggingface(folder, defaults)


def _huggingface_siglip(folder: Path, resolution: int | None) -> Spec:
    size = {"height": 224, "width": 224}
    return _huggingface(folder, {"size": size, "image_mean": HALF, "image_std": HALF})


def _huggingface_naflex(folder: Path, resolution: int | None) -> Spec:
    """By Siglip2ImageProcessor: as many patches as fit, of the whole image."""
    defaults = {
        "resample": 2,
        "image_mean": HALF,
        "image_std": HALF,
        "max_num_patches": 256,
        "patch_size": 16,
    }

    def size(path: Path, settings: Spec) -> Spec:
        most, side = (
            fields.whole(settings[key], f"{path}: {key}") for key in ("max_num_patches", "patch_size")
        )
        own = {"resolution": resolution or side * max(1, math.isqrt(most)), "resize": "squash"}
        return {**own, "patches": most, "patch_size": side}

    return _huggingface(folder, defaults, size, {"max_num_patches", "patch_size"})


def _huggingface(
    folder: Path,
    defaults: Spec,
    sized: Callable[[Path, Spec], Spec] | None = None,
    more: Collection[str] = (),
) -> Spec:
    """By transformers' image processors of CLIP and SigLIP; `sized` reads sizes of another kind, and `more` keys."""
    path = folder / PREPROCESSOR
    settings = {"resample": 3, **defaults, **_said(read_json(path))}
    for key, value in settings.items():
        if value and key not in HUGGINGFACE_KNOWN and key not in more:
            raise UserError(f"{path}: {key}={reprlib.repr(value)} is not supported")
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if not settings.get(step, True):
            raise UserError(f"{path}: {step}=False is not supported")
    factor = fields.number(settings.get("rescale_factor", 1 / 255), f"{path}: rescale_factor")
    if not math.isclose(factor, 1 / 255, rel_tol=1e-6):
        raise UserError(f"{path}: rescale_factor={factor} is not supported, only 1/255")
    if fields.whole(settings["resample"], f"{path}: resample", least=0) not in _RESAMPLE:
        raise UserError(f"{path}: resample={settings['resample']} is not supported, only 2 and 3")
    return {
        **(sized or _huggingface_size)(path, settings),
        "mean": fields.three(settings["image_mean"], f"{path}: image_mean", positive=False),
        "std": fields.three(settings["image_std"], f"{path}: image_std"),
        "interpolation": _RESAMPLE[settings["resample"]],
        "convention": "transformers",
    }


def _huggingface_size(path: Path, settings: Spec) -> Spec:
    # Older files write one number.
    edges = ("height", "width") if settings.get("default_to_square") else ("shortest_edge",)
    size = _edges(settings["size"], edges, f"{path}: size")
    crops = settings.get("do_center_crop") and settings.get("crop_size") is not None
    crop = _edges(settings["crop_size"], ("height", "width"), f"{path}: crop_size") if crops else None
    if set(size) == {"height", "width"} and crop in (None, size):
        return {"resolution": _square(path, size), "resize": "squash"}
    if set(size) != {"shortest_edge"} or crop is None or set(crop) != {"height", "width"}:
        raise UserError(f"{path}: size={size} with crop_size={crop} is not supported")
    side = _square(path, crop)
    spec = {"resolution": side, "resize": "crop"}
    return spec if size["shortest_edge"] == side else {**spec, "shorter_side": size["shortest_edge"]}


def _edges(value: Any, names: tuple[str, ...], where: str) -> dict[str, int]:
    """Lengths of edges by name; a single number is that of each of `names`."""
    if not isinstance(value, dict):
        return dict.fromkeys(names, fields.whole(value, where))
    return {name: fields.whole(edge, f"{where}.{name}") for name, edge in value.items() if edge is not None}


def _square(path: Path, size: Mapping[str, int]) -> int:
    if size["height"] != size["width"]:
        raise UserError(
            f"{path}: images of {size['width']} x {size['height']} are not supported, only squares"
        )
    return size["height"]


def _dino(folder: Path, resolution: int | None) -> Spec:
    """By the image processors of ViT, DINOv2 and DINOv3, each with its own defaults."""
    path = folder / PREPROCESSOR
    said = read_json(path, {})
    name = str(said.get("image_processor_type") or said.get("feature_extractor_type") or "")
    if not name:
        name = PROCESSOR_OF.get(str(read_json(folder / "config.json").get("model_type")), "Bit")
    kind = re.sub(r"(ImageProcessor|FeatureExtractor)(Fast)?$", "", name)
    if kind not in PROCESSORS:
        raise UserError(
            f"{path}: image_processor_type='{name}' is not supported, only {', '.join(PROCESSORS)}"
        )
    return _huggingface(folder, PROCESSORS[kind])


def _timm(folder: Path, resolution: int | None) -> Spec:
    """By timm's `create_transform` for evaluation: the middle of what is resized to a little more."""
    path = folder / "config.json"
    config, where = read_json(path), f"{path}: pretrained_cfg."
    settings = fields.part(config, "pretrained_cfg", f"{path}: ")
    given = settings.get("input_size")
    side = resolution or fields.square(given[1:] if isinstance(given, list) else given, f"{where}input_size")
    share = fields.number(settings.get("crop_pct", 0.875), f"{where}crop_pct")
    fields.words(settings.get("crop_mode", "center"), f"{where}crop_mode", ("center",))
    filters = ("bicubic", "bilinear")
    shorter = math.floor(side / share)
    return {
        "resolution": side,
        "resize": "crop",
        "mean": fields.three(settings.get("mean", IMAGENET_MEAN), f"{where}mean", positive=False),
        "std": fields.three(settings.get("std", IMAGENET_STD), f"{where}std"),
        "interpolation": fields.words(
            settings.get("interpolation", "bicubic"), f"{where}interpolation", filters
        ),
        "convention": "torchvision",
        **({"shorter_side": shorter} if shorter != side else {}),
    }


def _efficientnet(folder: Path, resolution: int | None) -> Spec:
    """By the evaluation of efficientnet/lite of tensorflow/tpu: the middle of an image, 32 pixels off its borders."""
    side = _needed(folder, resolution)
    return {
        "resolution": side,
        "shorter_side": side + 32,
        "resize": "crop",
        "mean": [127 / 255] * 3,
        "std": [128 / 255] * 3,
        "interpolation": "bicubic",
        "convention": "torchvision",
    }


def _open_clip(folder: Path, resolution: int | None) -> Spec:
    """By open_clip's `image_transform_v2`; the model's own image size comes before the file's."""
    path = folder / OPEN_CLIP
    content = read_json(path)
    where = f"{path}: preprocess_cfg"
    settings = _said(fields.part(content, "preprocess_cfg", f"{path}: "))
    vision = fields.part(fields.part(content, "model_cfg", f"{path}: "), "vision_cfg", f"{path}: model_cfg.")
    side = fields.square(resolution or vision.get("image_size") or settings.get("size", 224), f"{where}.size")
    mode = fields.words(
        settings.get("resize_mode", "shortest"), f"{where}.resize_mode", tuple(_OPEN_CLIP_RESIZE)
    )
    filters = ("bicubic", "bilinear", "random")
    interpolation = fields.words(settings.get("interpolation", "bicubic"), f"{where}.interpolation", filters)
    fields.words(settings.get("mode", "RGB"), f"{where}.mode", ("RGB",))
    spec = {
        "resolution": side,
        "resize": _OPEN_CLIP_RESIZE[mode],
        "mean": fields.three(settings.get("mean", CLIP_MEAN), f"{where}.mean", positive=False),
        "std": fields.three(settings.get("std", CLIP_STD), f"{where}.std"),
        # 'random' is for training: open_clip's own evaluation takes bicubic for it.
        "interpolation": "bilinear" if interpolation == "bilinear" else "bicubic",
        "convention": "torchvision",
    }
    if mode != "longest":
        return spec
    fill = fields.whole(settings.get("fill_color", 0), f"{where}.fill_color", least=0, most=255)
    return {**spec, "fill": fill}


def _openai(folder: Path, resolution: int | None) -> Spec:
    return {
        "resolution": _needed(folder, resolution),
        "resize": "crop",
        "mean": list(CLIP_MEAN),
        "std": list(CLIP_STD),
        "interpolation": "bicubic",
        "convention": "torchvision",
    }


def _big_vision(folder: Path, resolution: int | None) -> Spec:
    """`resize(RES)|value_range(-1, 1)`, as in the demonstrations of SigLIP and SigLIP 2."""
    return {
        "resolution": _needed(folder, resolution),
        "resize": "squash",
        "mean": list(HALF),
        "std": list(HALF),
        "interpolation": "bilinear",
        "convention": "tensorflow",
    }


FAMILIES: Mapping[str, Callable[[Path, int | None], Spec]] = {
    "huggingface_clip": _huggingface_clip,
    "huggingface_siglip": _huggingface_siglip,
    "huggingface_siglip2": _huggingface_siglip,
    "huggingface_naflex": _huggingface_naflex,
    "open_clip": _open_clip,
    "openai": _openai,
    "big_vision": _big_vision,
    "dino": _dino,
    "dino_registers": _dino,
    "timm": _timm,
    "efficientnet": _efficientnet,
    "bert": _openai,
}


def write_preprocessing(spec: Mapping[str, Any], folder: Path, family: str) -> list[str]:
    """Writes preprocessor_config.json, or the `preprocess_cfg` of open_clip_config.json, which is added to.

    Args:
      spec: of a checkpoint.
      folder: an existing folder.
      family: one of the Hugging Face families, or 'open_clip'.

    Returns:
      what the file cannot say: sentences for the user, none if all pictures come out the same there.

    Raises:
      ValueError: another family.
    """
    if family == "open_clip":
        return _write_open_clip(spec, Path(folder))
    if family.startswith("huggingface_"):
        return _write_huggingface(spec, Path(folder), family)
    raise UserError(f"no preprocessing is written for '{family}'")


def _write_open_clip(spec: Mapping[str, Any], folder: Path) -> list[str]:
    modes = {ours: theirs for theirs, ours in _OPEN_CLIP_RESIZE.items()}
    content = {
        "size": spec["resolution"],
        "mean": list(spec["mean"]),
        "std": list(spec["std"]),
        "interpolation": spec.get("interpolation", "bicubic"),
        "resize_mode": modes[spec["resize"]],
    }
    if spec["resize"] == "pad":
        content["fill_color"] = _fill(spec)
    update_json(folder / OPEN_CLIP, {"preprocess_cfg": content})
    return _differences(spec, "torchvision", "open_clip")


def _written_size(spec: Mapping[str, Any]) -> Spec:
    if spec.get("patches"):
        return {"max_num_patches": spec["patches"], "patch_size": spec["patch_size"]}
    side, crops = spec["resolution"], spec["resize"] == "crop"
    square = {"height": side, "width": side}
    return {
        "size": {"shortest_edge": spec.get("shorter_side", side)} if crops else square,
        "do_center_crop": crops,
        **({"crop_size": square} if crops else {}),
    }


def _write_huggingface(spec: Mapping[str, Any], folder: Path, family: str) -> list[str]:
    kinds = {"huggingface_clip": "CLIP", "huggingface_naflex": "Siglip2"}
    content = {
        "image_processor_type": f"{kinds.get(family, 'Siglip')}ImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "resample": next(
            number for number, name in _RESAMPLE.items() if name == spec.get("interpolation", "bicubic")
        ),
        **_written_size(spec),
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(spec["mean"]),
        "image_std": list(spec["std"]),
    }
    update_json(folder / PREPROCESSOR, content)
    notes = _differences(spec, "transformers", "transformers")
    if spec["resize"] == "pad":
        notes.append(
            "transformers squashes images that are not square, where this model pads them: a model trained with "
            "--config.data.image.resize=squash or crop sees the same there"
        )
    return notes


def _differences(spec: Mapping[str, Any], convention: str, peer: str) -> list[str]:
    ours = spec.get("convention", "")
    if ours == convention and not (peer == "open_clip" and "shorter_side" in spec):
        return []
    return [f"{peer} rounds crops and borders to other pixels, and flattens transparency as it does itself"]


def _fill(spec: Mapping[str, Any]) -> int:
    return int(spec.get("fill", 0)) if spec.get("convention") else 255  # our own border is white


def _needed(folder: Path, resolution: int | None) -> int:
    if resolution is None:
        raise UserError(f"{folder}: no file there says the images' resolution: it is the caller's to give")
    return resolution


def _said(content: Mapping[str, Any]) -> Spec:
    """What is not null; a step that is null is not taken, as transformers reads it."""
    steps = {key: False for key, value in content.items() if value is None and key.startswith("do_")}
    return {key: value for key, value in content.items() if value is not None} | steps
