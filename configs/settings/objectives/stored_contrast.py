"""Images against text rows that were stored once, beside a classifier: GPT4Image."""

from __future__ import annotations

from configs.settings.setting import Setting, count, natural, positive

CLASS = "vlp.objectives.stored_contrast:StoredContrast"

SETTINGS = {
    "stored": Setting("described", "an entry of data.tables, of rows of texts"),
    "width": count(512, "of these rows"),
    "hidden_width": natural(0, "of the head between the image tower and them; 0 = the tower's"),
    "temperature": positive(0.2, "that cosines are divided by; DeiT's script has 0.05"),
    "image_view": Setting("image", "batch field of images"),
    "chunk": count(1024, "rows of the score matrix that exist at a time on each device"),
}
