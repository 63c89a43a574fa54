"""An export is there as a whole or not at all, and the same command can be given again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.models import saved
from configs import quickstart as quickstart_config
from input_pipeline.tokenizers import load_tokenizer
from main import main
from vlp.interop import exported


@pytest.fixture(scope="module")
def clip_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that transformers can hold."""

    def configure(config: Any) -> None:
        config.model.image.update(pool="class", pre_norm=True, depth=1)
        config.model.text.update(causal=True, pool="end", depth=1)

    return saved(tmp_path_factory.mktemp("ours"), configure)


def run(workdir: Path, output: Path, form: str = "huggingface") -> int:
    return main(["--job=export", f"--checkpoint={workdir}", f"--format={form}", f"--output={output}"])


FILES = {
    "huggingface": {"config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"},
    "open_clip": {"open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json"},
}


@pytest.mark.parametrize("form", FILES)
def test_a_failed_export_leaves_nothing_and_can_be_repeated(
    form: str,
    clip_like: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(spec: object, folder: Path, family: str) -> list[str]:
        assert len(list(folder.iterdir())) > 2
        raise OSError(28, "No space left on device")

    output = tmp_path / "folder" / "theirs"
    with monkeypatch.context() as patch:
        patch.setattr(exported, "write_preprocessing", full)
        assert run(clip_like, output, form) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list((tmp_path / "folder").iterdir()) == []
    (tmp_path / "folder" / "theirs.saving" / "theirs").mkdir(parents=True)  # what a killed one leaves
    (tmp_path / "folder" / "theirs.saving" / "theirs" / "config.json").write_text("{")
    assert run(clip_like, output, form) == 0
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["theirs"]
    assert {path.name for path in output.iterdir()} >= FILES[form]
    if form == "open_clip":
        assert '"hf_tokenizer_name": "theirs"' in (output / "open_clip_config.json").read_text()


def test_only_a_new_or_empty_folder_is_written(
    clip_like: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    assert run(clip_like, tmp_path / "empty") == 0
    assert (tmp_path / "empty" / "config.json").is_file()
    for name, reason in (
        ("full", "is not empty: export into another folder"),
        ("file", "is a file, and a folder is"),
    ):
        assert run(clip_like, tmp_path / name) == 2
        assert f"{name} {reason}" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == (tmp_path / "full" / "notes.txt").read_text() == "mine"
    assert run(clip_like, tmp_path / "file" / "theirs") == 2
    assert "file is a file, where a folder would have to be" in capsys.readouterr().err


def test_weights_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    from vlp.interop.files import write_weights

    with pytest.raises(OSError, match=r"model\.safetensors cannot be written"):
        write_weights({"a": np.zeros(1, np.float32)}, tmp_path / "missing" / "model.safetensors")


@pytest.mark.parametrize("form", FILES)
def test_the_note_says_how_far_embeddings_move(
    form: str, clip_like: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of pictures that are not square, which this model pads: transformers squashes them, open_clip pads, too."""
    import vlp
    from input_pipeline.views.image import EvaluationView
    from vlp.interop import seen
    from vlp.interop.images import preprocessing_of

    assert run(clip_like, tmp_path / "theirs", form) == 0
    said = capsys.readouterr().out
    family = {"huggingface": "huggingface_clip", "open_clip": "open_clip"}[form]
    there = EvaluationView(preprocessing_of(tmp_path / "theirs", family))
    pictures = list(seen._not_square())[: seen.MOST]
    assert len(pictures) == 32 and all(min(image.size) / max(image.size) < 0.9 for image in pictures)
    model = vlp.load(clip_like)
    cosines = np.sum(model.encode_image(pictures) * model.encode_image_array(there.load(pictures)), axis=1)
    assert (
        f"of 32 bundled pictures that are not square, the embeddings there have a cosine of {cosines.mean():.4f}"
        in said
    )
    assert f"{cosines.min():.4f} at least" in said
    assert ("squashes images" in said) == (form == "huggingface")
    assert cosines.min() < 0.9999 if form == "huggingface" else cosines.min() > 0.99


def test_nothing_is_measured_where_nothing_differs(
    clip_like: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vlp.interop import seen

    assert run(clip_like, tmp_path / "theirs") == 0
    assert main(["--job=import", f"--source={tmp_path / 'theirs'}", f"--workdir={tmp_path / 'again'}"]) == 0
    capsys.readouterr()
    assert run(tmp_path / "again", tmp_path / "back") == 0
    assert "note" not in capsys.readouterr().out, "what was imported comes out the same"
    monkeypatch.setattr(seen, "PICTURES", "nowhere.parquet")
    assert seen.cosines_there(clip_like, {}).shape == (0,)


def test_a_tokenizer_that_ends_texts_as_it_begins_them_goes_nowhere(
    clip_like: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from input_pipeline.tokenizers.special import SpecialIds

    def alike(data: bytes, spec: dict[str, object]) -> object:
        tokenizer = load_tokenizer(quickstart_config.get_config().tokenizer)
        tokenizer.special = SpecialIds(0, 3, 3)
        return tokenizer

    monkeypatch.setattr(exported, "tokenizer_from_bytes", alike)
    assert run(clip_like, tmp_path / "theirs") == 2
    assert "begins texts with it" in capsys.readouterr().err
