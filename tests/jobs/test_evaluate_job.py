"""Where `--job=evaluate` leaves its files."""

from __future__ import annotations

import shutil

import pytest

import main
from vlp.evaluation.comparison.runs import read_run


@pytest.fixture
def run(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "run")


@pytest.fixture
def evaluate(data):
    def call(*arguments):
        config = (
            "--config=configs/eval/features.py",
            f"--config.data.evaluation.val.path={data}",
            *(f"--config.evaluators.{name}.final=false" for name in ("features", "clusters")),
            "--config.evaluators.geometry.sets=('val',)",
        )
        return main.main(["--job=evaluate", *config, *arguments])

    return call


def test_figures_lie_beside_what_was_evaluated(evaluate, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert evaluate(f"--checkpoint={run}") == 0
    whole = {"features.json", "features.html", "features.npz"}
    assert {path.name for path in (run / "evaluations").iterdir()} == whole
    (run / "config.json").write_text('{"seed": 7}')
    assert read_run(str(run / "evaluations" / "features.json")).seed == 7
    assert evaluate(f"--checkpoint={run / 'checkpoints' / '1'}") == 0
    assert (run / "evaluations" / "features-1.json").exists()
    assert evaluate(f"--checkpoint={run / 'checkpoints'}", f"--workdir={tmp_path / 'elsewhere'}") == 0
    assert (tmp_path / "elsewhere" / "evaluations" / "features.html").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"run", "elsewhere"}


def test_those_of_embeddings_lie_beside_them(evaluate, run, data, tmp_path):
    embedded = tmp_path / "embedded"
    what = (
        "--config.embed.feature=both",
        "--config.embed.sets=('val',)",
        f"--config.data.evaluation.val.path={data}",
    )
    assert main.main(["--job=embed", f"--checkpoint={run}", f"--output={embedded}", *what]) == 0
    assert evaluate(f"--source={embedded}") == 0
    assert (embedded / "evaluations" / "features.json").exists()


def test_embeddings_of_any_data_are_evaluated_by_the_name_they_have(run, data, tmp_path, capsys):
    embedded = tmp_path / "embedded"
    what = (f"--source={data}", "--config.embed.feature=both")
    assert main.main(["--job=embed", f"--checkpoint={run}", f"--output={embedded}", *what]) == 0
    alone = ("--config.evaluators.retrieval.final=true", "--config.evaluators.zero_shot.final=false")
    arguments = ["--job=evaluate", "--config=configs/eval/zero_shot.py", f"--source={embedded}", *alone]
    assert main.main([*arguments, "--config.evaluators.retrieval.sets=('source',)"]) == 0
    assert "retrieval/text_to_image/recall@1" in capsys.readouterr().out
    assert main.main([*arguments, "--config.evaluators.retrieval.sets=('val',)"]) == 2
    assert "asks for 'val': data.evaluation has source" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_said_before_the_work(evaluate, run, capsys):
    assert evaluate(f"--checkpoint={run}", "--output=figures.html") == 2
    assert "--output=figures.html: name the file of figures, such as features.json" in capsys.readouterr().err
    (run / "evaluations").write_text("in the way")
    assert evaluate(f"--checkpoint={run}") == 2
    assert "evaluations cannot be made (File exists): say where with --output" in capsys.readouterr().err
