"""What an import refuses of a folder whose files disagree or hold what no model can have, and what it keeps."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from test_import_and_export import clip_folder, configured, huggingface, imported, open_clip, open_clip_folder

from main import main

__all__ = ["clip_folder", "open_clip"]


@pytest.fixture(scope="module")
def other_folder(tmp_path_factory: pytest.TempPathFactory, open_clip: Any) -> Path:
    return open_clip_folder(tmp_path_factory.mktemp("open_clip") / "theirs", "clip", open_clip)


def refusal(folder: Path, workdir: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an import that ends with 2, leaves nothing and shows no traceback."""
    assert main(["--job=import", f"--source={folder}", f"--workdir={workdir}"]) == 2
    assert not workdir.exists()
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1 and len(line) < 1500
    return line


def numbers(name: str, change: Callable[[np.ndarray], Any]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = next(folder.glob("*.safetensors"))
        tensors = dict(load_file(path))
        tensors[name] = np.ascontiguousarray(change(tensors[name]))
        save_file(tensors, path, metadata={"format": "pt"})

    return write


def first(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(x: np.ndarray) -> np.ndarray:
        x = x.copy()
        x.flat[0] = value
        return x

    return change


def said(file: str, **changes: Any) -> Callable[[Path], None]:
    return lambda folder: configured(folder, file, **changes)


def text(file: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(content) and None


VISION, TEXT, PIXELS, WORDS = (
    "config.json",
    "config.json",
    "preprocessor_config.json",
    "tokenizer_config.json",
)
PROJECTION = "text_projection.weight"
HUGGINGFACE: dict[str, tuple[Callable[[Path], None], str]] = {
    "NaN": (numbers(PROJECTION, first(np.nan)), f"not finite: in: {PROJECTION}"),
    "infinity": (numbers(PROJECTION, first(-np.inf)), f"not finite: in: {PROJECTION}"),
    "too large": (numbers(PROJECTION, first(-2e6)), rf"above 1e\+06.*{PROJECTION}"),
    "whole numbers": (numbers(PROJECTION, lambda x: x.astype(np.int32)), f"whole numbers.*{PROJECTION}"),
    "another shape": (
        numbers("visual_projection.weight", lambda x: x.reshape(-1)),
        r"image_projection/kernel has shape|visual_projection.weight has shape",
    ),
    "no class token": (
        numbers("vision_model.embeddings.class_embedding", lambda x: x[0]),
        r"image/class_token has shape \[1, 1\]",
    ),
    "another depth": (
        said(VISION, vision_config__num_hidden_layers=500_000),
        "500000 layers, but the weights only",
    ),
    "no depth": (said(VISION, vision_config__num_hidden_layers=0), "vision_config.num_hidden_layers=0"),
    "no width": (said(VISION, vision_config__hidden_size="32"), "vision_config.hidden_size='32'"),
    "heads that do not fit": (
        said(TEXT, text_config__num_attention_heads=5),
        "5 heads do not divide width 32",
    ),
    "no heads": (said(TEXT, text_config__num_attention_heads=0), "text_config.num_attention_heads=0"),
    "a norm of nothing": (said(TEXT, text_config__layer_norm_eps=0), "text_config.layer_norm_eps=0"),
    "a list for an activation": (said(TEXT, text_config__hidden_act=["gelu"]), r"hidden_act=\['gelu'\]"),
    "a number for a tower": (said(TEXT, text_config=3), "config.json: text_config=3"),
    "no embeddings": (said(TEXT, projection_dim=-1), "projection_dim=-1"),
    "no JSON": (text("config.json", "{"), "config.json holds no JSON that can be read"),
    "deep JSON": (text("config.json", "[" * 100_000), "config.json holds no JSON that can be read"),
    "no UTF-8": (
        lambda folder: (folder / "config.json").write_bytes(b'"\xff"') and None,
        "config.json holds no JSON",
    ),
    "fewer positions": (
        said(TEXT, text_config__max_position_embeddings=12),
        "12 tokens in a text, .* have 16",
    ),
    "more ids": (said(TEXT, text_config__vocab_size=2001), "says 2001 ids, but the weights have 2000"),
    "a std of nothing": (said(PIXELS, image_std=[0.5, 0, 0.5]), r"preprocessor_config.json: image_std=0"),
    "a std of NaN": (said(PIXELS, image_std=[math.nan] * 3), "image_std=nan"),
    "an infinite mean": (said(PIXELS, image_mean=[math.inf] * 3), "image_mean=inf"),
    "two means": (said(PIXELS, image_mean=[0.5, 0.5]), r"image_mean=\[0.5, 0.5\].*three numbers"),
    "a negative edge": (said(PIXELS, size={"shortest_edge": -5}), "size.shortest_edge=-5"),
    "an edge of nothing": (said(PIXELS, size={"shortest_edge": 0}), "size.shortest_edge=0"),
    "a crop beyond the edge": (
        said(PIXELS, size={"shortest_edge": 31}),
        "shorter_side 31 is below the resolution 32",
    ),
    "a size of text": (said(PIXELS, size="32"), "size='32'"),
    "a filter by name": (said(PIXELS, resample="bicubic"), "resample='bicubic'"),
    "half a crop": (said(PIXELS, crop_size={"height": 32}), "crop_size={'height': 32} is not supported"),
    "padding": (said(PIXELS, do_pad=True), "do_pad=True is not supported"),
    "padding to a size": (said(PIXELS, pad_size={"height": 40}), "pad_size=.* is not supported"),
    "texts cut on the left": (said(WORDS, truncation_side="left"), "truncation_side='left' is not supported"),
    "texts padded on the left": (said(WORDS, padding_side="left"), "padding_side='left' is not supported"),
    "shorter texts": (
        said(WORDS, model_max_length=15),
        "model_max_length=15 cuts texts that the model has 16",
    ),
    "a class of tokenizer": (said(WORDS, tokenizer_class=5), "tokenizer_class=5"),
    "cut on the left by the tokenizer": (
        said(
            "tokenizer.json",
            truncation={"direction": "Left", "max_length": 16, "strategy": "LongestFirst", "stride": 0},
        ),
        "truncation_side='left' is not supported",
    ),
    "no tokenizer": (text("tokenizer.json", "{}"), "the tokenizer in .*no tokenizer.json"),
    "a tokenizer that is no JSON": (text("tokenizer.json", "{"), "tokenizer.json holds no JSON"),
}


@pytest.mark.parametrize("mistake", HUGGINGFACE)
def test_a_hugging_face_folder_is_right_or_refused(
    mistake: str, clip_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = HUGGINGFACE[mistake]
    folder = shutil.copytree(clip_folder, tmp_path / "theirs")
    change(folder)
    assert re.search(message, refusal(folder, tmp_path / "ours", capsys))


def cfg(**changes: Any) -> Callable[[Path], None]:
    return said("open_clip_config.json", **{f"model_cfg__{key}": value for key, value in changes.items()})


def pre(**changes: Any) -> Callable[[Path], None]:
    return said(
        "open_clip_config.json", **{f"preprocess_cfg__{key}": value for key, value in changes.items()}
    )


OPEN_CLIP: dict[str, tuple[Callable[[Path], None], str]] = {
    "NaN": (numbers("logit_scale", first(np.nan)), "not finite: in: logit_scale"),
    "no logarithm": (numbers("logit_scale", first(100.0)), "logit_scale=100 is the logarithm of no scale"),
    "no width": (cfg(vision_cfg__width=0), "vision_cfg.width=0"),
    "no head": (cfg(vision_cfg__head_width=0), "vision_cfg.head_width=0"),
    "a wide head": (cfg(vision_cfg__head_width=640), "tower without a size needs heads"),
    "no patches": (cfg(vision_cfg__patch_size=0), "vision_cfg.patch_size=0"),
    "no squares": (cfg(vision_cfg__image_size=[32, 48]), r"vision_cfg.image_size=\[32, 48\].*only squares"),
    "layers of text": (cfg(vision_cfg__layers=["2"]), "vision_cfg.layers='2'"),
    "stages of text": (cfg(text_cfg__layers=[1]), r"text_cfg.layers=\[1\]"),
    "other stages": (cfg(vision_cfg__layers=[1, 1, 1, 1]), "none of our resnets"),
    "no embeddings": (cfg(embed_dim=None), "embed_dim=None"),
    "a flag of text": (cfg(quick_gelu="yes"), "quick_gelu='yes'"),
    "another GELU": (cfg(vision_cfg__act_kwargs={"approximate": "sin"}), "act_kwargs.approximate='sin'"),
    "a norm of NaN": (cfg(text_cfg__norm_kwargs={"eps": math.nan}), "norm_kwargs.eps=nan"),
    "a list of settings": (cfg(text_cfg=[]), "text_cfg="),
    "another tower": (cfg(vision_cfg__timm_model_name=3), "timm_model_name=3"),
    "no config": (said("open_clip_config.json", model_cfg=5), "model_cfg=5"),
    "cleaning": (cfg(text_cfg__tokenizer_kwargs__clean=5), "tokenizer_kwargs.clean=5"),
    "unknown cleaning": (cfg(text_cfg__tokenizer_kwargs__clean="wash"), "ftfy_wash"),
    "another resizing": (pre(resize_mode="stretch"), "resize_mode='stretch'"),
    "another filter": (pre(interpolation="nearest"), "interpolation='nearest'"),
    "another mode": (pre(mode="L"), "preprocess_cfg.mode='L'"),
    "no std": (pre(std=[0, 0, 0]), "preprocess_cfg.std=0"),
    "fill": (pre(resize_mode="longest", fill_color=256), "fill_color=256"),
}


@pytest.mark.parametrize("mistake", OPEN_CLIP)
def test_an_open_clip_folder_is_right_or_refused(
    mistake: str, other_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = OPEN_CLIP[mistake]
    folder = shutil.copytree(other_folder, tmp_path / "theirs")
    change(folder)
    assert re.search(message, refusal(folder, tmp_path / "ours", capsys))


def test_a_variance_is_not_negative(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], open_clip: Any
) -> None:
    folder = open_clip_folder(tmp_path / "theirs", "resnet", open_clip)
    numbers("visual.bn1.running_var", first(-1.0))(folder)
    capsys.readouterr()
    assert "visual.bn1.running_var holds a negative variance" in refusal(folder, tmp_path / "ours", capsys)


@pytest.mark.parametrize(("scale", "limit"), [(4.7875, 1000.0), (math.log(100), 100.0), (math.log(2e5), 1e6)])
def test_a_scale_above_clip_s_limit_is_not_cut(
    scale: float, limit: float, clip_folder: Path, tmp_path: Path
) -> None:
    """SigLIP's So400m has 112: a step moves the parameter back into its interval, learned or not."""
    from flax import nnx

    from vlp.models.compute import Compute
    from vlp.models.dual_encoder import DualEncoder
    from vlp.training.state import clamp, parameter_bounds

    folder = shutil.copytree(clip_folder, tmp_path / "theirs")
    numbers("logit_scale", lambda x: np.float32(scale).reshape(x.shape))(folder)
    model = imported(folder, tmp_path / "ours")
    assert model.config.model.logit_scale.max == pytest.approx(limit)
    towers = nnx.eval_shape(
        lambda: DualEncoder(
            model.config.model, vocabulary_size=2000, length=16, compute=Compute(), rngs=nnx.Rngs(0)
        )
    )
    after = clamp(model._variables, parameter_bounds(towers))
    assert float(after["logit_scale"]) == float(np.float32(scale))


def test_an_import_can_be_moved(clip_folder: Path, tmp_path: Path) -> None:
    """Its config.json names a tokenizer that lies beside it, wherever that is."""
    from vlp.configuration.files import load_config

    imported(clip_folder, tmp_path / "ours")
    content = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert content["tokenizer"]["path"] == "checkpoints/0/tokenizer.model"
    assert str(tmp_path) not in json.dumps(content)
    moved = shutil.move(tmp_path / "ours", tmp_path / "moved")
    path = load_config(f"{moved}/config.json").tokenizer.path
    assert Path(path) == Path(moved) / "checkpoints" / "0" / "tokenizer.model" and Path(path).is_file()


def test_special_tokens_of_a_clip_tokenizer_are_those_it_names(clip_folder: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is a peer, not a dependency")
    from vlp.interop.text import tokenizer_of

    names = ["a</w>", "b</w>", "<s>", "<end>", "<|startoftext|>", "<|endoftext|>"]
    (tmp_path / "vocab.json").write_text(json.dumps({name: place for place, name in enumerate(names)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 8,
        "bos_token": "<s>",
        "eos_token": "<end>",
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    ours = tokenizer_of(tmp_path, "huggingface_clip", length=8).encode(["a b", "b"])[0]
    peer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    theirs = peer(["a b", "b"], padding="max_length", truncation=True, return_tensors="np")["input_ids"]
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("log_scale", [13.0, -13.0, 13.1, -13.1])
def test_a_scale_has_limits(
    log_scale: float, clip_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(clip_folder, tmp_path / "theirs")
    numbers("logit_scale", lambda x: np.float32(log_scale).reshape(x.shape))(folder)
    code = main(["--job=import", f"--source={folder}", f"--workdir={tmp_path / 'ours'}"])
    assert code == (0 if abs(log_scale) <= 13 else 2), capsys.readouterr().err


def test_the_largest_number_is_still_one(clip_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(clip_folder, tmp_path / "theirs")
    numbers(PROJECTION, first(1e6))(folder)
    imported(folder, tmp_path / "ours")


def test_padding_that_transformers_would_hide_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = huggingface(tmp_path / "theirs", "siglip", {})
    imported(folder, tmp_path / "ours")
    assert "note" not in capsys.readouterr().out
    configured(folder, "tokenizer_config.json", model_input_names=["input_ids", "attention_mask"])
    imported(folder, tmp_path / "again")
    assert (
        "note: tokenizer_config.json does not say model_input_names=['input_ids']" in capsys.readouterr().out
    )


def test_siglip_s_folder_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = huggingface(tmp_path / "theirs", "siglip", {})
    configured(folder, vision_config__vision_use_head=False)
    capsys.readouterr()
    assert "vision_use_head=False is not supported" in refusal(folder, tmp_path / "ours", capsys)
    configured(folder, vision_config__vision_use_head=True, text_config__projection_size=24)
    assert "projection_size=24 is not vision_config.hidden_size=32" in refusal(
        folder, tmp_path / "ours", capsys
    )


@pytest.mark.parametrize(("log_scale", "limit"), [(-12.0, 100.0), (4.6, 100.0), (4.7, 1000.0), (10.0, 1e5)])
def test_the_limit_of_a_scale_is_the_next_power_of_ten_where_it_lies_above(
    log_scale: float, limit: float
) -> None:
    from ml_collections import ConfigDict

    from vlp.interop import imported as module

    model = ConfigDict({"logit_scale": {"max": 100.0}})
    module._set_limit(model, log_scale)
    assert model.logit_scale.max == pytest.approx(limit)
    for beyond in (module.LARGEST_LOG_SCALE, -module.LARGEST_LOG_SCALE):
        module._set_limit(ConfigDict({"logit_scale": {"max": 100.0}}), float(beyond))
        with pytest.raises(ValueError, match="is the logarithm of no scale"):
            module._set_limit(model, beyond * 1.001)
