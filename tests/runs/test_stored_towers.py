"""A held tower whose embeddings are stored: the same losses without running it, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import vlp
from main import main
from vlp.checkpoint import find_checkpoint, load_model_arrays
from vlp.interop.mapping import flattened

pytestmark = pytest.mark.slow

# The sources, seen as evaluation sees them.
FLAGS = (
    "--config.data.sources.quickstart.path=data/quickstart/val_vendor.parquet",
    "--config.data.image.crop_scale=(1.0,1.0)",
    "--config.data.image.crop_ratio=(1.0,1.0)",
    "--config.data.image.resize=squash",
    "--config.data.threads=1",
    "--config.evaluators={}",
    "--config.log.tensorboard=False",
    "--config.log.every=1",
    "--config.steps=3",
)
TINY = [
    f"--config.model.{tower}.{name}"
    for tower in ("image", "text")
    for name in ("width=16", "depth=1", "heads=2", "mlp_dim=32")
]


def trained(config: str, workdir: Path, *flags: str) -> list[float]:
    assert main([f"--config=configs/{config}", f"--workdir={workdir}", *FLAGS, *flags]) == 0
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and the embeddings of its records beside it."""
    folder = tmp_path_factory.mktemp("runs")
    trained("clip.py:runlocal", folder / "start", *TINY)
    embed = ["--job=embed", f"--checkpoint={folder / 'start'}", "--config.embed.sets=('quickstart',)"]
    for feature in ("image", "text"):
        more = [f"--config.embed.feature={feature}", "--config.embed.format=parquet"]
        assert main([*embed, *more, f"--output={folder / feature}"]) == 0
    return folder


@pytest.mark.parametrize("form", ["image", "text"])
def test_stored_rows_give_the_losses_of_the_tower(form: str, start: Path, tmp_path: Path) -> None:
    config = f"lit.py:runlocal,held={form},start={start / 'start'}"
    other = TINY[4:] if form == "image" else TINY[:4]
    live = trained(config, tmp_path / "live", *other)
    stored = trained(config, tmp_path / "stored", *other, f"--config.data.stored.{form}={start / form}")
    np.testing.assert_allclose(stored, live, rtol=1e-3)
    assert len(set(stored)) == 3
    one, other = (
        flattened(load_model_arrays(find_checkpoint(tmp_path / name))["params"]["model"])
        for name in ("live", "stored")
    )
    assert one.keys() == other.keys()
    for path in one:
        if path.startswith(f"{form}/"):
            np.testing.assert_array_equal(one[path], other[path])
    assert vlp.load(tmp_path / "stored").encode_text("a fox").shape == (1, 32)


def test_rows_of_another_checkpoint_or_of_other_records_are_one_line(
    start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(start / "image", tmp_path / "other"))
    index = json.loads((other / "index.json").read_text())
    (other / "index.json").write_text(json.dumps({**index, "checkpoint": "0" * 64}))
    viewed = Path(shutil.copytree(start / "image", tmp_path / "viewed"))
    (viewed / "index.json").write_text(json.dumps({**index, "views": 2}))
    rows = f"--config.data.stored.image={start / 'image'}"

    def refusal(*flags: str) -> str:
        capsys.readouterr()
        arguments = [f"--config=configs/lit.py:runlocal,start={whole}", f"--workdir={tmp_path / 'run'}"]
        assert main([*arguments, *FLAGS, *TINY[4:], *flags]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("error: ")
        return line

    whole = start / "start"
    another = refusal(f"--config.data.stored.image={other}")
    assert "are those of another checkpoint than checkpoint.start_image=" in another
    assert "of images with resize=squash, and this run's have resize=pad" in refusal(
        rows, "--config.data.image.resize=pad"
    )
    assert "that of" in refusal(rows, "--config.data.stored.project=True")
    assert "none of 100 records looked at can be used (100 not_in_table)" in refusal(
        rows, "--config.data.sources.quickstart.path=data/quickstart/test.parquet"
    )
    assert "it holds no image embeddings" in refusal(f"--config.data.stored.image={start / 'text'}")
    assert "2 training views of each image" in refusal(f"--config.data.stored.image={viewed}")
    assert "there is no index.json" in refusal(f"--config.data.stored.image={tmp_path}")
    assert "reads what the image tower gives" in refusal(rows, "--config.objectives.captioning.weight=1.0")
