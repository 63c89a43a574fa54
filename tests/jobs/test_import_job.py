"""An import that is ended or fails leaves nothing in the way of the same command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import vlp
from main import main
from vlp.checkpoint.saving import Saving

ROOT = Path(__file__).resolve().parents[2]
WIDTH, LENGTH, VOCABULARY = 64, 8, 2000


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of big_vision's, which needs no library of theirs."""
    folder = tmp_path_factory.mktemp("theirs")
    dice = np.random.default_rng(0)
    heads, mlp = 2, 32
    tower = {
        "LayerNorm_0/scale": (WIDTH,), "LayerNorm_0/bias": (WIDTH,), "LayerNorm_1/scale": (WIDTH,),
        "LayerNorm_1/bias": (WIDTH,), "MlpBlock_0/Dense_0/kernel": (WIDTH, mlp), "MlpBlock_0/Dense_0/bias": (mlp,),
        "MlpBlock_0/Dense_1/kernel": (mlp, WIDTH), "MlpBlock_0/Dense_1/bias": (WIDTH,),
    }  # fmt: skip
    attention = "MultiHeadDotProductAttention_0"
    for part in ("query", "key", "value"):
        tower |= {f"{attention}/{part}/kernel": (WIDTH, heads, WIDTH // heads)}
        tower |= {f"{attention}/{part}/bias": (heads, WIDTH // heads)}
    tower |= {f"{attention}/out/kernel": (heads, WIDTH // heads, WIDTH), f"{attention}/out/bias": (WIDTH,)}
    shapes = {
        "img/embedding/kernel": (16, 16, 3, WIDTH), "img/embedding/bias": (WIDTH,), "img/pos_embedding": (1, 4, WIDTH),
        "txt/Embed_0/embedding": (VOCABULARY, WIDTH), "txt/pos_embedding": (1, LENGTH, WIDTH), "t": (1,), "b": (1,),
        "txt/head/kernel": (WIDTH, WIDTH), "txt/head/bias": (WIDTH,),
    }  # fmt: skip
    for encoder in ("img/Transformer", "txt/Encoder_0"):
        shapes |= {f"{encoder}/encoderblock_0/{name}": shape for name, shape in tower.items()}
        shapes |= {f"{encoder}/encoder_norm/{name}": (WIDTH,) for name in ("scale", "bias")}
    arrays = {name: dice.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    np.savez(folder / "tiny.npz", **arrays)
    shutil.copy(ROOT / "data" / "quickstart" / "tokenizer.model", folder)
    return folder


def run(theirs: Path, workdir: Path) -> int:
    return main(["--job=import", f"--source={theirs}", f"--workdir={workdir}"])


def test_what_a_killed_import_has_left_is_in_nobody_s_way(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "0.saving" / "arrays").mkdir(parents=True)
    assert run(theirs, tmp_path) == 0
    assert not (tmp_path / "checkpoints" / "0.saving").exists()
    rows = vlp.load(tmp_path).encode_text(["a cat"])
    assert np.isfinite(rows).all()
    (tmp_path / "config.json").rename(tmp_path / "config.json.saving")  # killed between the two
    assert run(theirs, tmp_path) == 0
    assert (tmp_path / "config.json").exists()
    np.testing.assert_array_equal(vlp.load(tmp_path).encode_text(["a cat"]), rows)


def test_another_run_s_workdir_is_left_alone(
    theirs: Path, tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of_one = shutil.copytree(checkpoint, tmp_path / "run")
    before = sorted(path.name for path in run_of_one.rglob("*"))
    assert run(theirs, run_of_one) == 2
    assert "holds checkpoints already: import into another --workdir" in capsys.readouterr().err
    assert sorted(path.name for path in run_of_one.rglob("*")) == before
    (tmp_path / "started").mkdir()
    (tmp_path / "started" / "config.json").write_text("{}")
    assert run(theirs, tmp_path / "started") == 2
    assert "holds a run already" in capsys.readouterr().err
    assert (tmp_path / "started" / "config.json").read_text() == "{}"


def test_a_folder_that_cannot_be_written_is_one_line(
    theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(theirs, tmp_path / "file" / "ours") == 2
    assert "file is a file, where a folder would have to be" in capsys.readouterr().err


def test_a_full_disk_is_one_line_and_can_be_tried_again(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: Saving, *arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Saving, "_written", full)
        assert run(theirs, tmp_path / "ours") == 2
    line = capsys.readouterr().err
    assert "No space left on device" in line and "make room" in line and line.count("\n") == 1
    assert run(theirs, tmp_path / "ours") == 0


def test_a_source_that_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").mkdir()
    assert run(tmp_path, tmp_path / "ours") == 2
    assert run(tmp_path / "nothing", tmp_path / "ours") == 2
    assert "there is nothing at" in capsys.readouterr().err


def test_its_config_starts_a_run(theirs: Path, tmp_path: Path) -> None:
    """Read from the folder it lies in, it is a whole config whose tokenizer is there."""
    from main import prepare

    assert run(theirs, tmp_path / "ours") == 0
    shutil.move(tmp_path / "ours", tmp_path / "moved")
    _, options = prepare(
        [f"--config={tmp_path / 'moved' / 'config.json'}", "--job=train", f"--workdir={tmp_path}"]
    )
    assert Path(options.config.tokenizer.path).is_relative_to(tmp_path / "moved")
    assert json.loads((tmp_path / "moved" / "config.json").read_text())["name"] == theirs.name
