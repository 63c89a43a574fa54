"""Where the points of diagrams lie, by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest

from vlp.evaluation.page.curves import draw_curves, legend, line
from vlp.evaluation.page.figures import draw_figures


def curve(steps: list[int], values: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(steps), np.array(values, float)


def test_a_line_runs_from_the_lower_left_to_the_upper_right() -> None:
    picture = draw_curves("loss", [line("A", 7, [curve([0, 5, 10], [0, 0.5, 1])])], share=False)
    assert '<polyline points="50,212 222,111 394,10" class="line s1">' in picture
    assert "polygon" not in picture and "A ends at 1" in picture
    assert 'x="399.0" y="14.0" class="letter s1"' in picture
    labels = re.findall(r'<text x="([\d.]+)" y="231" text-anchor="middle">(\d+)<', picture)
    assert labels == [
        ("50.0", "0"),
        ("118.8", "2"),
        ("187.6", "4"),
        ("256.4", "6"),
        ("325.2", "8"),
        ("394.0", "10"),
    ]


def test_seeds_are_a_band_around_their_mean_and_letters_stand_apart() -> None:
    several = line("A", 0, [curve([0, 10], [0, 0.6]), curve([0, 10], [0.2, 1.0])])
    other = line("B", 1, [curve([10], [0.8])])
    picture = draw_curves("top1", [several, other], share=True)
    assert '<polygon points="50,171.6 394,10 394,90.8 50,212" class="band s0">' in picture
    assert '<polyline points="50,191.8 394,50.4" class="line s0">' in picture
    assert '<circle cx="394.0" cy="50.4" r="3" class="point s1">' in picture
    assert "A ends at 80%; B ends at 80%" in picture
    assert re.findall(r'y="([\d.]+)" class="letter', picture) == ["54.4", "66.4"]


def test_gaps_and_what_never_changes_can_be_drawn() -> None:
    gaps = line("A", 0, [curve([0, 1, 2], [np.nan, 2.0, np.inf]), curve([1, 4], [4.0, 3.0])])
    assert gaps.steps.tolist() == [1, 4] and gaps.mean.tolist() == [3, 3]
    assert (gaps.low.tolist(), gaps.high.tolist()) == ([2, 3], [4, 3])
    flat = draw_curves("loss", [line("A", 0, [curve([0, 4], [2.0, 2.0])])], share=False)
    assert 'points="50,111 394,111"' in flat
    at_start = draw_curves("loss", [line("A", 0, [curve([0], [0.0])])], share=False)
    assert '<circle cx="50.0" cy="111.0"' in at_start
    assert re.findall(r'class="line (s\d)"', legend([str(number) for number in range(8)])) == [
        f"s{number % 6}" for number in range(8)
    ]


@pytest.mark.parametrize(
    ("value", "chance", "drawn"),
    [(0.25, 0.5, {"dot": "53.0", "chance": "100.0"}), (1.0, 0.0, {"dot": "194.0", "chance": "6.0"})],
)
def test_a_figure_is_drawn_on_the_line_from_nothing_to_all(
    value: float, chance: float, drawn: dict[str, str]
) -> None:
    name = "zero_shot/val/top1"
    picture = draw_figures("zero_shot", {name: value}, {name: chance}, {})
    assert f'<circle cx="{drawn["dot"]}" cy="9.0" r="3.5" class="dot">' in picture
    assert f'x1="{drawn["chance"]}" x2="{drawn["chance"]}" y1="1" y2="17" class="chance"' in picture
    assert (
        'x1="6.0" x2="194.0" y1="9.0" y2="9.0" class="track"' in picture and 'class="interval"' not in picture
    )
    outcomes = {name: np.repeat([0.0, 1.0], 500)}
    picture = draw_figures("zero_shot", {name: 0.5}, {}, outcomes)
    (ends,) = re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" y1="9.0" y2="9.0" class="interval"', picture)
    assert [float(end) for end in ends] == pytest.approx([100 - 188 * 0.031, 100 + 188 * 0.031], abs=0.6)
    assert "1,000 queries" in picture and 'class="chance"' not in picture
    rank = "retrieval/val/median_rank"
    assert "<circle" not in draw_figures("retrieval", {rank: 0.5}, {rank: 0.5}, {})
