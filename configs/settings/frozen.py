"""Models that objectives read and nobody trains: an entry each, under a name of the user's own."""

from __future__ import annotations

from configs.settings.setting import Setting

GROUP = "frozen"
EXAMPLE = "{'checkpoint': 'runs/teacher', 'dtype': 'bfloat16'}"

ENTRY = {
    "checkpoint": Setting("", "workdir, checkpoint or a step's folder, trained here or imported"),
    "dtype": Setting(
        "",
        "its weights and sums are of; '' = float32, and sums as in model.dtype",
        choices=("", "float32", "bfloat16"),
    ),
    "parts": Setting((), "of it that objectives read beside its towers, as 'classification/classifier'"),
    "digest": Setting("", "of the checkpoint's files; '' = taken from them when the run starts"),
}
