"""`--job=scaling`, as a user runs it: planted coefficients are found, and intervals hold them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import main
from vlp.evaluation.comparison.runs import Run
from vlp.evaluation.comparison.scaling import Point, fits_of, points_of
from vlp.evaluation.page.scaling import scaling_page

FIGURE = "tags/val/map"
ASKED = f"--config.scaling.figure={FIGURE}"
BY = "--config.scaling.by=data.sources.quickstart.fraction"


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    """Workdirs of five sizes with three seeds each, of a figure that grows by 0.1 with every tenfold."""
    dice, found = np.random.default_rng(1), []
    for share in (0.01, 0.03, 0.1, 0.3, 1.0):
        for seed in range(3):
            folder = tmp_path / f"{share}-{seed}"
            folder.mkdir()
            config = {"seed": seed, "data": {"sources": {"quickstart": {"fraction": share}}}}
            value = 0.5 + 0.1 * np.log10(share) + dice.normal(0, 0.005)
            (folder / "config.json").write_text(json.dumps(config))
            (folder / "results.json").write_text(json.dumps({FIGURE: value}))
            found.append(str(folder))
    return found


def test_the_job_finds_what_was_planted_and_draws_it(runs, tmp_path, capsys):
    output = tmp_path / "made" / "growth.json"
    assert main.main(["--job=scaling", *runs, ASKED, BY, f"--output={output}"]) == 0
    printed, found = capsys.readouterr().out, json.loads(output.read_text())
    assert "a + b log10 N" in printed and "c + a N^-k" in printed
    line = found["fits"][0]["coefficients"]
    assert line["a"]["value"] == pytest.approx(0.5, abs=0.01)
    assert line["b"]["value"] == pytest.approx(0.1, abs=0.01) and line["b"]["low"] > 0.05
    assert line["b"]["low"] < 0.1 < line["b"]["high"]
    assert len(found["points"]) == 15 and found["fits"][0]["foreseen"]["size"] == 10
    page = output.with_suffix(".html").read_text()
    assert page.count("<circle") == 15 and page.count("<polyline") >= 2 and "Scaling" in page


def test_a_figure_of_a_run_that_has_diverged_is_refused(runs, tmp_path, capsys):
    (Path(runs[4]) / "results.json").write_text(json.dumps({FIGURE: float("nan")}))
    assert main.main(["--job=scaling", *runs, ASKED, BY, f"--output={tmp_path / 'growth.json'}"]) == 2
    assert f"{runs[4]} has {FIGURE}=nan, to which nothing can be fitted" in capsys.readouterr().err


def test_a_power_law_and_its_limit_are_recovered():
    sizes = np.repeat(np.geomspace(200, 3200, 5), 3)
    noise = np.random.default_rng(1).normal(0, 0.001, len(sizes))
    values = 0.6 - 3.0 * sizes**-0.5 + noise
    points = [
        Point(str(run), *pair) for run, pair in enumerate(zip(sizes.tolist(), values.tolist(), strict=True))
    ]
    power = fits_of(points)[1]
    for letter, planted in {"c": 0.6, "a": -3.0, "k": 0.5}.items():
        one = power.coefficients[letter]
        assert one.value == pytest.approx(planted, rel=0.1) and one.low <= planted <= one.high
    expected = 0.6 - 3.0 * 32000**-0.5
    assert power.foreseen.low <= expected <= power.foreseen.high and not power.remark
    exact = fits_of([point._replace(value=0.6 - 3.0 * point.size**-0.5) for point in points])[1]
    assert exact.coefficients["k"].value == pytest.approx(0.5, rel=1e-2) and exact.error < 1e-4


def points(sizes, values):
    return [
        Point(str(run), float(size), float(value))
        for run, (size, value) in enumerate(zip(sizes, values, strict=True))
    ]


def test_the_line_is_that_of_least_squares_and_its_intervals_those_of_its_errors():
    sizes = np.array([1.0, 3.0, 10.0, 40.0, 100.0, 100.0])
    values = 2 - 0.5 * np.log10(sizes) + np.array([0.02, -0.03, 0.01, 0.0, 0.03, -0.02])
    columns = np.stack([np.ones(6), np.log10(sizes)], axis=1)
    best, rest, *_ = np.linalg.lstsq(columns, values)
    error = np.sqrt(rest[0] / 4 * np.linalg.inv(columns.T @ columns)[1, 1])
    line = fits_of(points(sizes, values))[0]
    assert [one.value for one in line.coefficients.values()] == pytest.approx(best)
    slope = line.coefficients["b"]
    assert (slope.high - slope.low) / 2 / 1.96 == pytest.approx(error, rel=0.12)
    assert line.error == pytest.approx(np.sqrt(rest[0] / 6))
    assert line.foreseen.value == pytest.approx(best[0] + 3 * best[1])
    assert line.foreseen.low < line.foreseen.value < line.foreseen.high
    middle, low, high = line.line
    assert line.sizes[[0, -1]] == pytest.approx([1, 100]) and len(middle) == len(line.sizes) == 60
    assert middle == pytest.approx(best[0] + best[1] * np.log10(line.sizes))
    assert (low <= middle).all() and (middle <= high).all()


def test_three_sizes_have_a_line_alone_and_what_has_no_limit_says_so():
    sizes = np.array([1.0, 10.0, 100.0, 1000.0])
    assert [fit.form for fit in fits_of(points(sizes[:3], sizes[:3]))] == ["a + b log10 N"]
    straight = fits_of(points(sizes, np.log10(sizes)))[1]
    assert straight.remark.startswith("k lies at the end") and straight.coefficients["k"].value < 0.02
    steep = fits_of(points(sizes, 1 + sizes**-6.0))[1]
    assert steep.remark and steep.coefficients["k"].value > 3.9


def test_sizes_are_samples_or_numbers_of_the_config():
    def run(name, **config):
        return Run(name, config, figures={"f": 0.5})

    several = [run(f"r{n}", steps=n, batch_size=4, rate=1 / n) for n in (5, 3, 9)]
    assert [(one.run, one.size) for one in points_of(several, "f", "samples")] == [
        ("r3", 12),
        ("r5", 20),
        ("r9", 36),
    ]
    assert [one.run for one in points_of(several, "f", "rate")] == ["r9", "r5", "r3"]
    for wrong in (True, 0, -1, "8", float("inf"), float("nan")):
        with pytest.raises(ValueError, match="takes records, samples, or the path of a number above 0"):
            points_of([run("r", rate=wrong), *several], "f", "rate")
    with pytest.raises(ValueError, match=r"these 3 have rate=0\.2, 0\.5: name runs of other sizes"):
        points_of([run(name, rate=rate) for name, rate in (("a", 0.2), ("b", 0.5), ("c", 0.5))], "f", "rate")


def test_runs_and_lines_are_drawn_where_they_belong():
    page = scaling_page("f", "records", (some := points([1, 10, 100], [1.0, 2.0, 3.0])), fits_of(some))
    circles = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', page)
    assert [tuple(map(float, one)) for one in circles] == [(60, 310), (340, 161), (620, 12)]
    (line,) = re.findall(r'<polyline points="([^"]+)" class="line s0"', page)
    ends = [tuple(map(float, pair.split(","))) for pair in line.split()]
    assert ends[0] == (60, 310) and ends[-1] == (620, 12)
    (band,) = re.findall(r'<polygon points="([^"]+)"', page)
    assert band.split()[0] == band.split()[-1] == "60,310"
    flat = points([1, 10, 100], [2.0, 2.0, 2.0])
    page = scaling_page("f", "records", flat, fits_of(flat))
    assert len({*re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', page)}) == 1


def test_mistakes_are_one_line(runs, capsys):
    for arguments, expected in (
        ([ASKED], "needs runs and a figure"),
        (runs[:1], "needs runs and a figure"),
        ([*runs[:1], ASKED, BY], "fits runs of three sizes or more, and these 1 have"),
        ([*runs, BY, "--config.scaling.figure=nothing"], "has no figure 'nothing'"),
        ([*runs, ASKED, "--config.scaling.by=name.of"], "has name.of=None"),
        ([*runs, ASKED], "holds no intact checkpoint"),
        (["nowhere", ASKED], "nowhere is no run"),
    ):
        assert main.main(["--job=scaling", *arguments]) == 2
        error = capsys.readouterr().err
        assert expected in error and len(error.splitlines()) == 1, error
