"""`--job=scaling`, as a user runs it: planted coefficients are found, and intervals hold them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import main
from vlp.evaluation.comparison.scaling import Point, fits_of

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
