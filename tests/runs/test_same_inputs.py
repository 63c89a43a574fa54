"""Files that change under a run between two starts: named where the run goes on with them."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path

import pytest
from PIL import Image

import vlp
from vlp.checkpoint import complete_steps
from vlp.runs.same_inputs import changed_sources

pytestmark = pytest.mark.slow


def write_pairs(folder: Path, count: int) -> Path:
    Image.new("RGB", (40, 40), (200, 30, 90)).save(folder / "one.png")
    with open(folder / "pairs.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        rows.writerows(["one.png", f"thing number {row}"] for row in range(count))
    return folder / "pairs.csv"


def other_tokenizer(captions: list[str]) -> bytes:
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(captions),
        model_writer=model,
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=2,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
    )
    return model.getvalue()


def test_data_and_tokenizers_that_change_between_two_starts_are_named(
    tmp_path: Path, repo_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer, data, workdir = tmp_path / "own.model", write_pairs(tmp_path, 40), tmp_path / "run"
    tokenizer.write_bytes((repo_root / "data/quickstart/tokenizer.model").read_bytes())
    off = {f"evaluators__{name}__final": False for name in ("zero_shot", "retrieval")}
    config = vlp.config(
        "configs/quickstart.py:runlocal",
        steps=2,
        batch_size=16,
        model={"image": {"depth": 1}, "text": {"depth": 1}},
        data__sources={"mine": {"path": str(data), "format": "csv"}},
        tokenizer__path=str(tokenizer),
        log__tensorboard=False,
        **off,
    )
    vlp.train(config, workdir)
    config.steps = 3
    data.write_text(data.read_text().replace("number 7", "number 8"))
    with caplog.at_level(logging.WARNING):
        vlp.train(config, workdir, allow_config_change=("steps",))
    assert "source 'mine' holds something else in its 40 records" in caplog.text

    tokenizer.write_bytes(other_tokenizer([f"thing number {row} of many" for row in range(400)]))
    with pytest.raises(vlp.ConfigError, match="holds another tokenizer than the run's checkpoints"):
        vlp.train(config, workdir)
    assert complete_steps(workdir / "checkpoints") == [2, 3]


def test_other_numbers_of_records_are_said_and_what_nobody_knows_is_not() -> None:
    now = {"records": {"mine": 64, "new": 3}, "contents": {"mine": "b"}}
    (words,) = changed_sources({"records": {"mine": 40, "gone": 2}, "contents": {"mine": "a"}}, now)
    assert "source 'mine' had 40 records when the checkpoint was saved and has 64 now" in words
    same = {"records": {"mine": 64}}
    assert not list(changed_sources(same, now)), "of a checkpoint from before contents were kept"
    assert not list(changed_sources({**same, "contents": {"mine": "b"}}, now)) and not list(
        changed_sources({}, now)
    )
    assert "holds something else in its 64 records" in "".join(
        changed_sources({**same, "contents": {"mine": "a"}}, now)
    )
