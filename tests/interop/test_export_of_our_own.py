"""The quickstart's model in both formats: the same embeddings there, or a refusal that names what stands against it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from test_import_and_export import ROOT, exported, imported, open_clip_rows, pairs, peers_rows

import vlp
from benchmarks import models
from main import main
from vlp.evaluation.retrieval.captions import retrieval_figures
from vlp.evaluation.retrieval.galleries import gallery

__all__ = ["pairs"]

pytest.importorskip("transformers", reason="transformers is a peer, not a dependency")
# What both formats can hold: CLIP's own architecture.
CLIP_LIKE = {"image.pool": "class", "image.pre_norm": True, "text.causal": True, "text.pool": "end"}
# What transformers alone can hold: a mean over patches is a SigLIP head of its own kind.
SIGLIP_LIKE = {"text.pool": "last"}
# What becomes part of the weights.
LORA = {**CLIP_LIKE, "adapters.rules": "attention/(qkv|out)$ = lora 4; _projection$ = lora 2"}
# What transformers cannot hold, nor open_clip as another convolutional tower.
RESNET = {"image.kind": "resnet", "image.size": "R26", "image.width": 16, "image.depth": 1}
RESNET |= {"image.heads": 0, "image.mlp_dim": 0, "image.patch_size": 16, "image.patch_dropout": 0.0}


def saved(workdir: Path, changes: dict[str, Any]) -> Path:
    """A checkpoint of the quickstart's model with other settings, its weights at random."""

    def configure(config: Any) -> None:
        for path, value in changes.items():
            tower, name = path.split(".")
            config.model[tower][name] = value

    return models.saved(workdir, configure, noise=0.02)


def square(model: vlp.Model, images: list[Image.Image]) -> list[Image.Image]:
    """As the model sees them: neither peer pads as it does what is not square."""
    return [Image.fromarray(pixels) for pixels in model._view.load(images)]


LATE_NORM = {"image.pool": "mean", "image.registers": 1, "image.norm_after_pool": True}  # as CLIPA's


@pytest.mark.parametrize("changes", [CLIP_LIKE, SIGLIP_LIKE, LORA], ids=["clip", "siglip", "lora"])
def test_the_quickstart_in_transformers(changes: dict[str, Any], pairs: Any, tmp_path: Path) -> None:
    workdir = saved(tmp_path / "ours", changes)
    folder = exported(workdir, "huggingface", tmp_path / "theirs")
    model = vlp.load(workdir)
    pairs = square(model, pairs[0]), pairs[1]
    rows = peers_rows(folder, *pairs)
    np.testing.assert_allclose(model.encode_text(pairs[1]), rows[1], atol=1e-5)
    np.testing.assert_allclose(model.encode_image(pairs[0]), rows[0], atol=1e-5)
    again = imported(folder, tmp_path / "again")
    np.testing.assert_allclose(again.encode_text(pairs[1]), rows[1], atol=1e-5)
    np.testing.assert_allclose(again.encode_image(pairs[0]), rows[0], atol=1e-5)


@pytest.mark.parametrize("changes", [{}, LATE_NORM], ids=["class", "norm after the mean"])
def test_the_quickstart_in_open_clip(changes: dict[str, Any], pairs: Any, tmp_path: Path) -> None:
    open_clip = pytest.importorskip("open_clip", reason="open_clip is a peer, not a dependency")
    workdir = saved(tmp_path / "ours", {**CLIP_LIKE, **changes})
    folder = exported(workdir, "open_clip", tmp_path / "theirs")
    model = vlp.load(workdir)
    pairs = square(model, pairs[0]), pairs[1]
    rows = open_clip_rows(folder, *pairs, open_clip)
    np.testing.assert_allclose(model.encode_text(pairs[1]), rows[1], atol=1e-5)
    np.testing.assert_allclose(model.encode_image(pairs[0]), rows[0], atol=1e-5)


@pytest.mark.parametrize(
    ("form", "changes", "message"),
    [
        ("huggingface", {}, "model.text.pool='mean' is not 'last'"),
        ("open_clip", {}, "model.image.registers=0 is not 1; model.text.pool='mean'"),
        ("huggingface", {"image.norm_after_pool": True}, "model.image.norm_after_pool is True"),
        ("open_clip", {**CLIP_LIKE, "text.activation": "relu"}, "model.text.activation='relu'"),
        ("open_clip", {**CLIP_LIKE, "text.projection": "gelu"}, "the projection of texts is 'gelu'"),
        ("huggingface", RESNET, "model.image.kind='resnet' is not 'vit'"),
        (
            "huggingface",
            {**CLIP_LIKE, "image.position": "learned_rotary2d"},
            "position is 'learned_rotary2d'",
        ),
        (
            "open_clip",
            {**CLIP_LIKE, "image.gated": True, "image.sub_norm": "within", "image.branch_norm": True},
            "model.image.gated is True; model.image.sub_norm is 'within'; model.image.branch_norm is True",
        ),
        (
            "open_clip",
            {**RESNET, "image.kind": "convnext", "image.size": "T"},
            "model.image.kind='convnext' is not 'vit' or 'resnet'",
        ),
        ("open_clip", {**CLIP_LIKE, "image.prompts": 3}, "model.image.prompts=3 are learned tokens of its"),
        ("huggingface", {**CLIP_LIKE, "text.context": 2}, "model.text.context=2 are learned vectors in its"),
        (
            "huggingface",
            {**CLIP_LIKE, "adapters.rules": "mlp/down$ = bottleneck 4"},
            "no format has a place for the adapter of image/transformer/blocks/mlp/down",
        ),
    ],
)
def test_what_a_format_cannot_hold_is_named(
    form: str, changes: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workdir = saved(tmp_path / "ours", changes)
    flags = [f"--checkpoint={workdir}", f"--format={form}", f"--output={tmp_path / 'theirs'}"]
    assert main(["--job=export", *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "theirs").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quickstart that both peers can hold; they have no padding like ours, so images are squashed."""
    workdir = tmp_path_factory.mktemp("trained")
    settings = [f"--config.model.{name}={value}" for name, value in CLIP_LIKE.items()]
    off = [f"--config.evaluators.{name}.every=0" for name in ("zero_shot", "retrieval")]
    short = ["--config.steps=20", "--config.data.image.resize=squash", "--config.log.tensorboard=false"]
    sets = [f"--config.evaluators.{name}.sets=val" for name in ("zero_shot", "retrieval")]
    arguments = ["--config=configs/quickstart.py:runlocal", *settings, *off, *short, *sets]
    assert main([*arguments, f"--workdir={workdir}"]) == 0
    return workdir


@pytest.mark.slow
@pytest.mark.parametrize("form", ["huggingface", "open_clip"])
def test_a_trained_quickstart_retrieves_there_as_here(form: str, trained: Path, tmp_path: Path) -> None:
    folder = exported(trained, form, tmp_path / "theirs")
    table = pq.read_table(ROOT / "data" / "quickstart" / "val.parquet", columns=["image", "captions"])
    records = table.to_pylist()
    images = [Image.open(io.BytesIO(record["image"])).convert("RGB") for record in records]
    whole = gallery([record["captions"] for record in records])
    if form == "huggingface":
        rows = peers_rows(folder, images, whole.texts)
    else:
        open_clip = pytest.importorskip("open_clip", reason="open_clip is a peer, not a dependency")
        rows = open_clip_rows(folder, images, whole.texts, open_clip)
    model = vlp.load(trained)
    ours = retrieval_figures(
        model.encode_image(images), model.encode_text(whole.texts), whole.pairs, (1, 5, 10)
    )
    theirs = retrieval_figures(rows[0], rows[1], whole.pairs, (1, 5, 10))
    assert theirs == pytest.approx(ours, abs=1e-9, rel=2e-3)
    saved_figures = json.loads((trained / "results.json").read_text())
    for name, value in ours.items():
        if "recall" in name:
            assert value == pytest.approx(saved_figures[f"retrieval/val/{name}"], abs=1e-9), name
