"""Captions that a part writes: BLEU, CIDEr, and the perplexity of those that are there."""

from __future__ import annotations

from configs.settings.setting import Setting, count

CLASS = "vlp.evaluation.captioning.captioning:Captioning"

SETTINGS = {
    "sets": ("val",),
    "part": Setting("writer", "of the model, which writes"),
    "beams": count(1, "texts that it keeps at a time; 1 = the likeliest token is taken each time"),
}
