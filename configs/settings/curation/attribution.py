"""A line of licence and creator for every record that is kept: PASS's attribution."""

from __future__ import annotations

from configs.settings.setting import Setting

CLASS = "input_pipeline.curation.attribution:Attribution"

SETTINGS = {
    "license": Setting("license", "the one of columns.extras that says it"),
    "creator": Setting("creator", "the one of columns.extras that says it"),
    "need_license": Setting(True, "drop records that say none"),
    "need_creator": Setting(True, "drop records that say none"),
}
