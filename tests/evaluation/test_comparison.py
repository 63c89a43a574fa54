"""Runs with known figures, written to disk as training writes them, compared as the job does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vlp.configuration import load_config, resolve, to_dict
from vlp.evaluation.comparison.comparison import compare
from vlp.evaluation.comparison.report import comparison_markdown, in_points, is_share
from vlp.evaluation.comparison.runs import Run, read_run
from vlp.evaluation.comparison.variants import differing, variants
from vlp.evaluation.outcomes import outcomes_to_bytes
from vlp.evaluation.page.comparison import comparison_page
from vlp.evaluation.page.curves import POINTS, line, ticks

TOP1, RANK = "zero_shot/val/top1", "retrieval/val/text_to_image/median_rank"
CONFIG = to_dict(resolve(load_config("configs/quickstart.py")))
STEPS = CONFIG["steps"]


def write_run(
    folder: Path,
    *,
    seed: int = 0,
    learning_rate: float = 1e-3,
    hits: np.ndarray | None = None,
    figures: dict[str, float] | None = None,
    step: int = STEPS,
    **settings: object,
) -> str:
    """A workdir; its only figure, unless others are given, is the mean of `hits`, which are its outcomes."""
    folder.mkdir(parents=True)
    config = json.loads(json.dumps(CONFIG)) | {"seed": seed, **settings}
    config["optimizer"]["learning_rate"] = learning_rate
    (folder / "config.json").write_text(json.dumps(config))
    if hits is not None:
        (folder / "results.npz").write_bytes(outcomes_to_bytes({TOP1: hits}))
        figures = {TOP1: float(hits.mean()), **(figures or {})}
    if figures is not None:
        (folder / "results.json").write_text(json.dumps(figures))
    steps = list(range(10, step + 1, 10))
    lines = [
        {"step": one, "loss": 4.0 / one + 0.1 * seed, **({TOP1: one / 1000} if one % 100 == 0 else {})}
        for one in steps
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return str(folder)


def draws(share: float, seed: int, count: int = 400) -> np.ndarray:
    """Hits of a model on the same examples: easy ones are hit by all."""
    easy = np.random.default_rng(99).random(count)
    noise = np.random.default_rng(seed).normal(0, 0.03, count)
    return (easy + noise < share).astype(float)


@pytest.fixture
def six(tmp_path: Path) -> list[str]:
    """Three seeds of two learning rates, the second of which is better by some 10 points."""
    return [
        write_run(
            tmp_path / f"{name}-{seed}", seed=seed, learning_rate=rate, hits=draws(share, seed + 10 * number)
        )
        for number, (name, rate, share) in enumerate((("a", 1e-3, 0.3), ("b", 2e-3, 0.4)))
        for seed in (2, 0, 1)
    ]


def test_runs_are_grouped_and_differences_are_paired(six: list[str]) -> None:
    found = compare([read_run(path) for path in six])
    assert [variant.seeds for variant in found.variants] == [[0, 1, 2], [0, 1, 2]]
    assert [variant.settings for variant in found.variants] == [
        {"optimizer.learning_rate": 1e-3},
        {"optimizer.learning_rate": 2e-3},
    ]
    figures = [
        [json.loads((Path(path) / "results.json").read_text())[TOP1] for path in part]
        for part in (six[:3], six[3:])
    ]
    for level, values in zip(found.levels[TOP1], figures, strict=True):
        assert level is not None and level.runs == 3
        assert level.mean == pytest.approx(np.mean(values)) and level.spread == pytest.approx(
            np.std(values, ddof=1)
        )
    [difference] = found.differences[TOP1]
    assert difference is not None and difference.over == "queries, seeds" and difference.clear
    assert difference.value == pytest.approx(np.mean(figures[1]) - np.mean(figures[0]))
    assert difference.low < difference.value < difference.high
    assert not found.remarks


def test_groups_that_only_some_have_are_told_by_their_name() -> None:
    plain = {"a": 1, "data.sources.x.path": "p", "data.sources.x.weight": 1.0}
    more = {**plain, "data.sources.y.path": "q", "data.sources.y.weight": 1.0}
    other = {**more, "data.sources.y.weight": 2.0}
    assert differing([plain, plain]) == []
    assert differing([plain, more]) == ["data.sources.y"]
    assert differing([plain, more, other]) == ["data.sources.y", "data.sources.y.weight"]
    assert differing([plain, {**plain, "a": 2}]) == ["a"]


def test_the_tables_say_who_differs_in_what_and_by_how_much(six: list[str]) -> None:
    text = comparison_markdown(compare([read_run(path) for path in six]))
    assert "| A | 0, 1, 2 | " in text and "| optimizer.learning_rate | 0.001 | 0.002 |" in text
    assert "| figure | A: learning_rate=0.001 | B: learning_rate=0.002 |" in text
    assert f"| {TOP1} | B - A | +" in text and "| queries, seeds | outside |" in text
    assert "fewer than 5 seeds" in text


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    hits = draws(0.3, 1)
    paths = [
        write_run(tmp_path / "a0", hits=hits, figures={RANK: 30.0}),
        write_run(tmp_path / "a1", seed=1, figures={RANK: 31.0}),
        write_run(tmp_path / "again", hits=hits, name="another_name"),
        write_run(tmp_path / "b0", learning_rate=1.0, hits=draws(0.3, 2, count=200)),
        write_run(tmp_path / "half", learning_rate=2.0, hits=hits, step=100),
        write_run(tmp_path / "none", learning_rate=3.0),
    ]
    found = compare([read_run(path) for path in paths])
    remarks = "\n".join(found.remarks)
    for expected in (
        f"{paths[4]} is left out: it stands at step 100 of {STEPS}",
        f"{paths[5]} is left out: it has no figures",
        f"{paths[2]} is left out: it has config and seed of {paths[0]}",
        f"{paths[1]} lacks {TOP1}",
        f"No outcomes of queries (.npz) are there for {paths[1]}:",
        f"{paths[3]} lacks {RANK}",
        f"{TOP1} has another number of queries in some runs (400 in {paths[0]}, 200 in {paths[3]})",
    ):
        assert expected in remarks
    assert len(found.variants) == 2 and found.levels[TOP1][0].runs == 1
    assert found.differences[RANK] == [None]
    assert np.isnan(found.differences[TOP1][0].low) and found.differences[TOP1][0].over == ""
    assert "(of 1)" in comparison_markdown(found)


def test_other_examples_are_not_paired(tmp_path: Path) -> None:
    other = json.loads(json.dumps(CONFIG["data"]))
    other["evaluation"]["val"]["fraction"] = 0.5
    paths = [
        write_run(tmp_path / "a", hits=draws(0.3, 1)),
        write_run(tmp_path / "b", hits=draws(0.4, 2), data=other),
    ]
    found = compare([read_run(path) for path in paths])
    assert any("data.evaluation.val differs" in remark for remark in found.remarks)
    assert np.isnan(found.differences[TOP1][0].low)


def test_one_run_of_each_is_compared_over_queries(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path / "a", hits=draws(0.3, 1)),
        write_run(tmp_path / "b", learning_rate=1.0, hits=draws(0.4, 2)),
    ]
    found = compare([read_run(path) for path in paths])
    assert found.differences[TOP1][0].over == "queries" and found.differences[TOP1][0].clear
    assert np.isnan(found.levels[TOP1][0].spread)


def test_figures_of_evaluations_are_variants_of_their_own(tmp_path: Path) -> None:
    for name, value in (("one", 0.2), ("two", 0.3)):
        (tmp_path / f"{name}.json").write_text(json.dumps({TOP1: value}))
    found = compare([read_run(str(tmp_path / f"{name}.json")) for name in ("one", "two")])
    assert [variant.letter for variant in found.variants] == ["A", "B"]
    assert found.differences[TOP1][0].value == pytest.approx(0.1)
    assert sum("no config.json" in remark for remark in found.remarks) == 2


def test_the_page_shows_figures_differences_and_curves(six: list[str]) -> None:
    page = comparison_page(compare([read_run(path) for path in six]))
    for part in (
        "Differences to A",
        "Learning curves",
        f"<b>{TOP1}</b>",
        "<b>loss</b>",
        'class="band s0"',
        "B ends at",
    ):
        assert part in page
    assert "<script" not in page and "url(" not in page


def test_a_variant_looks_the_same_in_every_diagram(six: list[str]) -> None:
    for path in six[3:]:
        metrics = Path(path) / "metrics.jsonl"
        metrics.write_text(
            metrics.read_text() + "".join(f'{{"step": {one}, "own/loss": 1.0}}\n' for one in (1, 2))
        )
    page = comparison_page(compare([read_run(path) for path in six]))
    own = page[page.index("<b>own/loss</b>") :].partition("</figure>")[0]
    assert 'class="line s1"' in own and 'class="letter s1">B<' in own and " s0" not in own


def test_long_curves_are_thinned_and_gaps_are_left_out() -> None:
    steps = np.arange(1, 5001)
    thin = line("A", 0, [(steps, np.full(5000, 2.0)), (steps[:100], np.full(100, 4.0))])
    assert len(thin.steps) == POINTS and thin.steps[-1] == 5000
    assert thin.mean[0] == 3.0 and thin.low[0] == 2.0 and thin.high[0] == 4.0 and thin.mean[-1] == 2.0
    broken = line("A", 0, [(np.array([1, 2, 3]), np.array([1.0, np.nan, np.inf]))])
    assert broken.steps.tolist() == [1]
    assert not len(line("A", 0, [(np.array([1]), np.array([np.nan]))]).steps)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 460, [0, 200, 400]), (0.012, 0.31, [0.1, 0.2, 0.3]), (2, 9, [2, 4, 6, 8])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high, 4) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is no run: it has neither results.json nor config.json"),
        ({"results.json": "{"}, "results.json is not JSON"),
        ({"results.json": "[]"}, "holds no object"),
        ({"results.json": "{}", "metrics.jsonl": "{\n{}\n"}, "metrics.jsonl:1 is not a JSON line"),
        ({"results.json": "{}", "results.npz": "x"}, "holds no outcomes"),
    ],
)
def test_what_is_no_run_is_refused(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_run(str(tmp_path))


def test_nothing_left_to_compare_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="step 10 of"):
        compare([read_run(write_run(tmp_path / "a", hits=draws(0.3, 1), step=10))])


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("zero_shot/val/top1", 0.01234, "+1.2"),
        ("zero_shot/val/top1", -0.5, "-50.0"),
        ("retrieval/val/rsum", 0.01234, "+1.23"),
        ("retrieval/val/median_rank", -0.126, "-0.13"),
        ("features/val/alignment", 0.01234, "+0.0123"),
    ],
)
def test_differences_are_in_the_unit_of_their_figure(name: str, value: float, written: str) -> None:
    assert in_points(name, value) == written and is_share(name) == name.endswith("top1")


def test_many_variants_have_letters_of_their_own_and_long_settings_no_label() -> None:
    found = variants([Run(f"r{number}", {"a.b": number, "c": "x" * number}) for number in range(54)])
    assert [found[place].letter for place in (0, 25, 26, 51, 52)] == ["A", "Z", "A2", "Z2", "A3"]
    assert found[3].label == "D: b=3, c=xxx" and found[40].label == "O2"
    fitting = [one.label for one in found if ":" in one.label]
    assert max(len(label.partition(": ")[2]) for label in fitting) == 40
