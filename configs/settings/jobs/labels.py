"""--job=labels."""

from __future__ import annotations

from configs.settings.setting import Setting, count

SETTINGS = {
    "of": Setting(
        "label", "what of a record is counted", choices=("label", "branch", "tags", "group", "words")
    ),
    "least": count(1, "records that a label needs to be kept"),
    "table": Setting("", "parquet file to write, of numbers by source and id; '' = none"),
    "most": count(1, "numbers of a record in the table, -1 behind them"),
}
