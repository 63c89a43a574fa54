"""What the claims' files declare can be run, steps are shared, and docs/claims.md has the recorded results."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path

import pytest

import main
from benchmarks.claims import Claim, Figure, Step, __main__, _runs, _tables, job, make, train
from benchmarks.claims._claim import Recipe, command, digest, filled, load, names
from vlp.configuration import ConfigError

RECIPE = Recipe(steps=8)
NOWHERE = "/nowhere"  # the folder of a step that has not run


def steps_of(claim: Claim) -> dict[str, Step]:
    """Every step of a claim, by what names its folder."""
    found: dict[str, Step] = {}

    def visit(step: Step) -> None:
        found[digest(step, 0, RECIPE)] = step
        for one in step.needs.values():
            visit(one)

    for arm in claim.arms.values():
        visit(arm)
    return found


def config_flags(step: Step) -> list[str]:
    """The config of a run as flags: what a job on its checkpoint starts from."""
    return [flag for flag in command(step, 0, RECIPE) if flag.startswith("--config")]


@functools.cache
def prepared(*arguments: str) -> None:
    """Parses and checks what several claims may have in common."""
    try:
        main.prepare(arguments)
    except ConfigError as error:
        assert NOWHERE in str(error), error


@pytest.mark.parametrize("name", names())
def test_a_claim_can_be_run(name: str) -> None:
    """Every command is parsed and checked; what a step before it would have left may be missing."""
    claim = load(name)
    assert claim.title and claim.says and len(claim.arms) > 1 and claim.figures
    for step in steps_of(claim).values():
        if step.function:
            continue
        paths = {need: f"{NOWHERE}/{need}" for need in step.needs}
        arguments = [filled(flag, folder=f"{NOWHERE}/own", **paths) for flag in command(step, 0, RECIPE)]
        read = next(
            (one for need, one in step.needs.items() if f"--checkpoint={{{need}}}" in step.flags), None
        )
        if read and read.job == "train" and not any(flag.startswith("--config=") for flag in arguments):
            inherited = {flag.partition("=")[0]: flag for flag in config_flags(read)}
            inherited |= {flag.partition("=")[0]: flag for flag in arguments}
            arguments = [flag for key, flag in inherited.items() if key != "--checkpoint"]
        prepared(*arguments)


@pytest.mark.parametrize("name", sorted(path.stem for path in _tables.RESULTS.glob("*.json")))
def test_results_are_of_the_arms_that_are_declared(name: str) -> None:
    assert name in names(), f"there is no benchmarks/claims/{name}.py any more: remove its results"
    found, now = _tables.recorded(name), _tables.declared(load(name))
    assert found is not None
    other = {arm for arm in found["arms"] if now.get(arm) != found["declared"][arm]}
    assert not other, "their flags have changed since they were run: run them again, or remove the results"


def test_the_document_has_the_recorded_results() -> None:
    text = _tables.DOCUMENT.read_text(encoding="utf-8")
    assert _tables.document(text) == text, "write it anew: python -m benchmarks.claims --tables"
    kept = {path.stem for path in _tables.RESULTS.glob("*.json")}
    assert kept <= {*_tables.marked(text)}, "results without a place in docs/claims.md"


def write(folder: Path, value: float, seed: int = 0, above: Path | None = None) -> None:
    """Stands in for a run."""
    known = json.loads((above / "results.json").read_text())["figure"] if above else 0.0
    with (folder.parent / "calls.txt").open("a") as calls:
        calls.write(f"{value}\n")
    (folder / "results.json").write_text(json.dumps({"figure": value + known + seed / 10}))


FIRST = make(write, value=1.0)
TOY = Claim(
    title="A toy",
    arxiv="",
    says="more is more",
    arms={"less": FIRST, "more": make(write, value=0.5, above=FIRST), "the same": make(write, value=1.0)},
    figures={"a figure": Figure("figure", chance=0.0, percent=False), "none": Figure("nothing")},
)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(__main__, "load", lambda name: TOY)
    monkeypatch.setattr(__main__, "names", lambda: ["toy"])
    monkeypatch.setattr(__main__, "RESULTS", tmp_path / "kept")
    return tmp_path / "runs"


def call(monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    monkeypatch.setattr(sys, "argv", ["claims", *flags])
    return __main__.main()


def test_steps_that_are_the_same_run_once_and_only_once(monkeypatch: pytest.MonkeyPatch, toy: Path) -> None:
    for _ in range(2):
        assert call(monkeypatch, f"--output={toy}", "--seeds=2", "--record") == 0
    assert sorted((toy / "calls.txt").read_text().split()) == ["0.5", "0.5", "1.0", "1.0"]
    kept = json.loads((toy.parent / "kept" / "toy.json").read_text())
    assert {arm: [own["a figure"] for own in found.values()] for arm, found in kept["arms"].items()} == {
        "less": [1.0, 1.1],
        "more": [1.5, 1.7],
        "the same": [1.0, 1.1],
    }


def test_a_table_has_means_spreads_differences_by_seed_and_chance(
    monkeypatch: pytest.MonkeyPatch, toy: Path
) -> None:
    assert call(monkeypatch, f"--output={toy}", "--steps=9") == 0
    assert _tables.table(TOY, json.loads((toy / "toy.json").read_text())).splitlines() == [
        "| 9 steps | a figure |",
        "| --- | ---: |",
        "| less | 1.100 ± 0.100 |",
        "| more | 1.700 ± 0.200<br>**+0.600 ± 0.100** |",
        "| the same | 1.100 ± 0.100<br>+0.000 ± 0.000 |",
        "| chance | 0.000 |",
    ]
    assert not (toy.parent / "kept").exists(), "results are kept where that is asked for"


@pytest.mark.parametrize(
    ("differences", "found"), [([1.0, 1.2, 0.9], True), ([1.0, 3.0, -0.5], False), ([5.0], False)]
)
def test_a_difference_is_one_where_student_s_interval_leaves_out_zero(
    differences: list[float], found: bool
) -> None:
    """By scipy's own test of paired samples."""
    from scipy import stats

    assert _tables.differs(differences) == found
    if len(differences) > 1:
        assert found == (stats.ttest_rel(differences, [0.0] * len(differences)).pvalue < 0.05)


def test_a_run_that_fails_leaves_its_output_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Claim("A toy", "", "", {"less": FIRST, "broken": train("--config.stepps=3")}, TOY.figures)
    monkeypatch.setattr(__main__, "load", lambda name: broken)
    monkeypatch.setattr(_runs.sys, "executable", "false")  # a Python that ends with 1
    assert call(monkeypatch, f"--output={toy}", "--record") == 1
    said = capsys.readouterr()
    assert "toy, broken, seed 0: no output (exit code 1" in said.err and "| less | 1.100" in said.out
    assert len(list(toy.glob("*.txt"))) == 4 and not (toy.parent / "kept").exists()


def test_a_flag_of_one_s_own_takes_the_place_of_the_recipe_s() -> None:
    flags = command(train("--config.batch_size=8", times=2), 3, RECIPE)
    assert flags.count("--config.batch_size=8") == 1 and "--config.batch_size=64" not in flags
    assert {"--config.steps=16", "--config.seed=3", "--workdir={folder}"} <= {*flags}


def test_what_needs_no_seed_is_the_same_for_all() -> None:
    by_seed, always = train(), train(seed=0)
    once, each = (job("cluster", "--checkpoint={run}", run=run) for run in (always, by_seed))
    assert digest(once, 1, RECIPE) == digest(once, 2, RECIPE)
    assert digest(each, 1, RECIPE) != digest(each, 2, RECIPE)
    assert digest(always, 5, RECIPE) == digest(by_seed, 0, RECIPE)


def test_a_placeholder_without_its_step_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\{clusters\} is no step that is needed: pass clusters=STEP"):
        command(train("--config.data.tables={'x': {'path': '{clusters}/x.parquet'}}"), 0, RECIPE)
