"""Where `--job=evaluate` leaves its files."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import main
import vlp
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
    assert "evaluations, where figures go unless --output says where, is a file" in capsys.readouterr().err


def test_figures_say_where_they_come_from(evaluate, run, data):
    assert evaluate(f"--checkpoint={run}", "--config.data.max_bad_share=0.02") == 0
    saved = json.loads((run / "evaluations" / "features.json").read_text())
    origin = saved.pop("provenance")
    assert all(isinstance(value, float) for value in saved.values()) and saved
    assert (origin["checkpoint"], origin["step"]) == (str(run), 1)
    assert origin["data"]["val"]["path"] == str(data) and origin["images"] == {"val": 69}
    assert origin["skipped"] == {"val": {"undecodable": 1}}
    assert origin["evaluators"] == {"geometry": {"sets": ["val"]}}
    page = (run / "evaluations" / "features.html").read_text()
    for words in ("val: 1 records could not be used (1 undecodable)", str(data), "69 images"):
        assert words in page


def test_records_left_out_are_said_and_too_many_refused(evaluate, run, capsys):
    assert evaluate(f"--checkpoint={run}", "--config.data.max_bad_share=0.02") == 0
    assert "val: 1 records could not be used (1 undecodable)" in capsys.readouterr().out
    assert evaluate(f"--checkpoint={run}", "--config.data.max_bad_share=0.01") == 2
    assert "1 of 70 records of evaluation set 'val'" in capsys.readouterr().err


def test_figures_of_other_data_do_not_take_the_name_of_those_there(evaluate, run, data, tmp_path):
    assert evaluate(f"--checkpoint={run}") == 0
    before = (run / "evaluations" / "features.json").read_bytes()
    other = shutil.copy(data, tmp_path / "other.parquet")
    assert evaluate(f"--checkpoint={run}", f"--config.data.evaluation.val.path={other}") == 0
    assert evaluate(f"--checkpoint={run}") == 0
    assert (run / "evaluations" / "features.json").read_bytes() == before
    names = {path.name for path in (run / "evaluations").glob("*.json")}
    assert names == {"features.json", "features-val.json"}


@pytest.mark.parametrize("config", ["", "--config=configs/eval/retrieval.py"])
def test_data_at_source_are_evaluated_by_a_checkpoint(run, data, config, capsys):
    arguments = ["--job=evaluate", f"--checkpoint={run}", f"--source={data}", *([config] if config else [])]
    assert main.main(arguments) == 0
    (figures,) = (run / "evaluations").glob("*.json")
    assert figures.name == ("retrieval-some.json" if config else "quickstart-some.json")
    saved = json.loads(figures.read_text())
    assert saved.pop("provenance")["data"]["source"]["path"] == str(data)
    assert {name.split("/")[1] for name in saved} == {"source"}
    assert "retrieval/text_to_image/recall@1" in capsys.readouterr().out


def test_a_set_that_does_not_fit_is_said_before_anything_is_encoded(run, data, tmp_path, capsys):
    table = pq.read_table(data)
    captions = pa.array([[]] * len(table), table.schema.field("captions").type)
    table = table.set_column(table.column_names.index("captions"), "captions", captions)
    pq.write_table(table, tmp_path / "mute.parquet")
    arguments = [
        f"--checkpoint={run}",
        f"--source={tmp_path / 'mute.parquet'}",
        "--config=configs/eval/retrieval.py",
    ]
    assert main.main(["--job=evaluate", *arguments]) == 2
    assert "evaluation set 'source' has no captions" in capsys.readouterr().err


def test_a_path_may_begin_at_home(evaluate, run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert evaluate("--checkpoint=~/run", "--output=~/figures.json") == 0
    assert (tmp_path / "figures.json").exists()
    assert vlp.load("~/run").config.name == "quickstart"
    assert evaluate("--checkpoint=~/run") == 0 and (run / "evaluations" / "features.json").exists()
    alone = [
        "--config.evaluators.zero_shot.final=False",
        "--config.evaluators.retrieval.k=(3,)",
        "--output=~/own.json",
    ]
    assert (
        main.main(["--job=evaluate", "--checkpoint=~/run", "--config.evaluators.retrieval.sets=val", *alone])
        == 0
    )
    own = json.loads((tmp_path / "own.json").read_text())
    assert own["provenance"]["config"] == "quickstart" and "retrieval/val/text_to_image/recall@3" in own
