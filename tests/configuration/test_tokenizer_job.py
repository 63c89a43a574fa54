"""`--job=tokenizer`: from the config's captions to a file that the input pipeline reads."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sentencepiece import sentencepiece_model_pb2

import main
from input_pipeline.tokenizers import load_tokenizer
from input_pipeline.tokenizers.training import LONGEST_PIECE

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_the_job_writes_a_tokenizer_of_the_size_asked_for(run_main: Run, tmp_path: Path) -> None:
    path = tmp_path / "new" / "captions.model"
    result = run_main("--job=tokenizer", f"--output={path}", "--config.tokenizer.vocabulary_size=600")
    assert result.returncode == 0, result.stderr
    assert "600 pieces" in result.stdout and "tokens per caption" in result.stdout
    settings = {"kind": "sentencepiece", "path": str(path), "length": 16, "vocabulary_size": 600}
    ids, mask = load_tokenizer(settings).encode(["a red apple"])
    assert ids.shape == (1, 16) and 3 <= mask.sum() < 16
    model = sentencepiece_model_pb2.ModelProto.FromString(path.read_bytes())
    said = model.trainer_spec
    assert (said.vocab_size, said.model_type, said.byte_fallback) == (600, said.UNIGRAM, True)
    assert (said.pad_id, said.unk_id, said.bos_id, said.eos_id) == (0, 1, 2, 3)
    assert said.character_coverage == pytest.approx(0.9995) and said.max_sentencepiece_length == LONGEST_PIECE
    assert said.num_threads == 1 and model.normalizer_spec.name == "nmt_nfkc_cf"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--config.tokenizer.vocabulary_size=600",), "needs --output"),
        (("--output={folder}/x.model",), "needs --config.tokenizer.vocabulary_size"),
        (("--output={folder}/x.model", "--config.tokenizer.vocabulary_size=100"), "100 pieces"),
        (
            ("--output={folder}/x.model", "--config.tokenizer.kind=clip"),
            "trains kind 'sentencepiece' or 'wordpiece', not 'clip'",
        ),
    ],
)
def test_what_the_job_lacks_is_said(
    arguments: tuple[str, ...], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = tuple(argument.format(folder=tmp_path) for argument in arguments)
    assert main.main(["--job=tokenizer", *arguments]) == 2
    error = capsys.readouterr().err
    assert expected in error and len(error.splitlines()) == 1
    assert not (tmp_path / "x.model").exists()
