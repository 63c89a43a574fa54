from __future__ import annotations

import pytest

from vlp.evaluation import results_markdown, results_table
from vlp.evaluation.report import figure_and_set, format_figure

RESULTS = {
    "zero_shot/val/top1": 0.4125,
    "zero_shot/val/top5": 1.0,
    "zero_shot/test/top1": 0.05,
    "retrieval/val/text_to_image/median_rank": 12.0,
}
CHANCE = {
    "zero_shot/val/top1": 1 / 90,
    "zero_shot/val/top5": 5 / 90,
    "zero_shot/test/top1": 1 / 107,
    "retrieval/val/text_to_image/median_rank": 200.5,
}


def test_the_table_puts_chance_beside_each_set() -> None:
    assert results_table(RESULTS, CHANCE).splitlines() == [
        "figure                                  val  chance  test  chance",
        "-----------------------------------  ------  ------  ----  ------",
        "zero_shot/top1                        41.2%    1.1%  5.0%    0.9%",
        "zero_shot/top5                       100.0%    5.6%     -       -",
        "retrieval/text_to_image/median_rank    12.0   200.5     -       -",
    ]


def test_markdown_has_the_same_cells() -> None:
    lines = results_markdown(RESULTS, CHANCE).splitlines()
    assert lines[:3] == [
        "| figure | val | chance | test | chance |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| zero_shot/top1 | 41.2% | 1.1% | 5.0% | 0.9% |",
    ]
    assert len(lines) == 5


def test_many_sets_stay_within_100_columns_and_lose_nothing() -> None:
    sets = [f"evaluation_set_{n}" for n in range(7)]
    results = {f"retrieval/{one}/image_to_text/recall@10": 0.5 for one in sets}
    table = results_table(results, {})
    assert max(map(len, table.splitlines())) <= 100
    assert all(one in table for one in sets)
    assert table.count("50.0%") == 7


def test_names_without_a_set_and_missing_chance_still_show() -> None:
    last = results_table({"zero_shot/top1": 0.5}, {}).splitlines()[-1]
    assert last.split() == ["zero_shot/top1", "50.0%", "-"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("features/val/modality_gap", 0.12345, "0.123"),
        ("features/val/uniformity", -1.5, "-1.500"),
        ("retrieval/val/rsum", 4.123, "412.3"),
        ("retrieval/val/text_to_image/mean_rank", 12.34, "12.3"),
        ("zero_shot/val/label_distance", 1.26, "1.3"),
        ("zero_shot/val/top1", 0.4567, "45.7%"),
        ("zero_shot/val/top1", None, "-"),
    ],
)
def test_a_figure_is_in_the_unit_that_its_name_asks_for(name: str, value: float | None, shown: str) -> None:
    assert format_figure(name, value) == shown


def test_a_name_is_a_figure_of_a_set() -> None:
    assert figure_and_set("a/val/b/c") == ("a/b/c", "val")
    assert figure_and_set("a/val") == ("a/val", "value") and figure_and_set("a/val/b") == ("a/b", "val")
