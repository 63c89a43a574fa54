"""A folder of transformers that is not read whole is not read at all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from test_import_and_export import (
    ROOT,
    clip_folder,
    configured,
    damaged,
    exported,
    imported,
    same_weights,
    torch,
)

from input_pipeline.tokenizers import load_tokenizer
from main import main
from vlp.interop.text import write_tokenizer

__all__ = ["clip_folder"]


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a tensor too many": (
        lambda folder: damaged(folder, lambda x: x.update(extra=np.zeros(2, np.float32))),
        "left over: extra",
    ),
    "a tensor too few": (
        lambda folder: damaged(folder, lambda x: x.pop("visual_projection.weight")),
        r"missing: visual_projection\.weight",
    ),
    "another shape": (
        lambda folder: configured(folder, vision_config__intermediate_size=64),
        "image/transformer/blocks/mlp/.* has shape",
    ),
    "another activation": (
        lambda folder: configured(folder, vision_config__hidden_act="swish"),
        "vision_config.hidden_act='swish' is not one of",
    ),
    "a model that is no name": (
        lambda folder: configured(folder, model_type=["clip"]),
        r"model_type=\['clip'\] is not one of",
    ),
    "another model": (lambda folder: configured(folder, model_type="align"), "model_type='align'"),
    "another tokenizer": (
        lambda folder: (
            write_tokenizer(
                load_tokenizer(
                    {
                        "kind": "clip",
                        "path": str(ROOT / "data" / "tokenizers" / "clip"),
                        "length": 16,
                        "vocabulary_size": 0,
                    }
                ),
                folder,
                "huggingface_clip",
            )
            and None
        ),
        "the tokenizer has 49408 ids, but the model has 2000",
    ),
    "another preprocessor": (
        lambda folder: configured(
            folder,
            "preprocessor_config.json",
            size={"shortest_edge": 48},
            crop_size={"height": 48, "width": 48},
        ),
        "images of 48 pixels, but the model has positions for 32",
    ),
    "a pickle": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin") and None,
        "is a pickle",
    ),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_nothing_is_half_read(
    mistake: str, clip_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = REFUSED[mistake]
    folder = tmp_path / "theirs"
    shutil.copytree(clip_folder, folder)
    change(folder)
    assert main(["--job=import", f"--source={folder}", f"--workdir={tmp_path / 'ours'}"]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "ours").exists()


def test_a_place_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--job=import", "--source=somewhere"]) == 2
    assert "--job=import needs --workdir" in capsys.readouterr().err


def test_a_pickle_is_read_where_somebody_insists(clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    shutil.copytree(clip_folder, folder)
    tensors = load_file(folder / "model.safetensors")
    torch.save({name: torch.from_numpy(x) for name, x in tensors.items()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    imported(folder, tmp_path / "ours", "--config.interop.unpickle=True")
    back = exported(tmp_path / "ours", "huggingface", tmp_path / "back")
    same_weights(clip_folder / "model.safetensors", back / "model.safetensors")
