"""--job=import."""

from __future__ import annotations

from configs.settings.setting import Setting, natural

SETTINGS = {
    "resolution": natural(0, "resample positions to images of this side; 0 = as they are"),
    "patch_size": natural(0, "resample the patch kernel to this side; 0 = as it is"),
    "text_length": natural(
        0, "tokens of a text tower by itself: its first positions; 0 = as many as its tokenizer says"
    ),
    "unpickle": Setting(False, "read weights from a pickle where there are no safetensors"),
}
