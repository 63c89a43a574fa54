"""What a run says when it is done."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from ml_collections import FrozenConfigDict

from configs import quickstart
from vlp.jobs import JobOptions
from vlp.jobs._report import closing_words, command
from vlp.processes.home import Home


@pytest.fixture
def options(tmp_path):
    workdir = tmp_path / "my run"
    workdir.mkdir()
    return JobOptions(FrozenConfigDict(quickstart.get_config("")), workdir, Home(workdir))


@dataclass
class Fake:
    name: str
    levels: dict[str, float] = field(default_factory=dict)
    data: object = None
    sets: tuple[str, ...] = ("val",)

    def chance(self):
        return self.levels


def test_figures_without_a_chance_stand_beside_those_that_have_one(options):
    figures = {
        "clusters/val/adjusted_rand": 0.5,
        "clusters/val/matched_accuracy": 0.25,
        "geometry/val/modality_gap": 0.75,
        "zero_shot/val/calibration_error": 0.125,
        "zero_shot/val/top1": 0.5,
    }
    (options.workdir / "results.json").write_text(json.dumps(figures))
    known = [Fake("clusters", {"clusters/val/adjusted_rand": 0.0}), Fake("geometry")]
    words = closing_words(options, [*known, Fake("zero_shot", {"zero_shot/val/top1": 0.1})])
    rows = [line.split() for line in words.splitlines()]
    assert [row[0] for row in rows[3:8]] == [
        "clusters/adjusted_rand",
        "clusters/matched_accuracy",
        "zero_shot/top1",
        "zero_shot/calibration_error",
        "geometry/modality_gap",
    ]
    assert ["clusters/matched_accuracy", "25.0%", "-"] in rows and [
        "geometry/modality_gap",
        "0.750",
        "-",
    ] in rows


def test_only_files_that_are_there_are_named_and_paths_can_be_pasted(options):
    words = closing_words(options, [])
    assert "results.json" not in words and "no evaluator was asked for" in words
    assert f"--logdir={shlex.quote(str(options.workdir))}" in words
    commands = [shlex.split(line) for line in words.splitlines() if "main.py" in line]
    assert [command[2] for command in commands] == [f"--workdir={options.workdir}-{n}" for n in (1, 2)]


def test_ablations_are_the_command_that_was_given_and_one_flag_more(options):
    given = (
        "--config=configs/clip.py:model=vit_b16",
        "--config.data.sources={'a': {'path': '/my data/a.tar'}}",
        "--workdir=my run",
        "--config.optimizer.learning_rate=1e-3",
        "--config.distributed.process=0",
        "--allow_config_change=steps",
        "-config.steps=9",
    )
    words = closing_words(replace(options, arguments=given), [])
    commands = [shlex.split(line) for line in words.splitlines() if "main.py" in line]
    kept = ["python", "main.py", *given[:2], given[3], given[6]]
    assert [one[:-2] for one in commands] == [kept, kept]
    assert command(given, "--config.optimizer.learning_rate=2e-3").count("learning_rate") == 1
    secret = "--config.data.sources={'a': {'path': 'https://me:secret@host/a.tar'}}"
    assert "secret" not in command([secret])


def test_figures_are_named_where_they_are(options):
    (options.workdir / "results.json").write_text('{"a/val/b": 1.0}')
    assert f"figures: {options.workdir / 'results.json'}" in closing_words(options, [])


def test_records_left_out_of_an_evaluation_are_said(options):
    skipped = {"val": {"undecodable": 2, "missing_image": 1}}
    words = closing_words(options, [Fake("zero_shot", data=SimpleNamespace(skipped=skipped))])
    assert "val: 3 records could not be used (2 undecodable, 1 missing_image)" in words
