from __future__ import annotations

from vlp.evaluation import results_markdown, results_table

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
