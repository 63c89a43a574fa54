"""Attention of a layer that should be a frozen model's of another: UNIP."""

from __future__ import annotations

from configs.settings.setting import Setting, positive

CLASS = "vlp.objectives.attention_maps:AttentionMaps"
ASKS = {"image": "layers"}

SETTINGS = {
    "teacher": Setting("teacher", "an entry of `frozen`"),
    "teacher_layer": Setting(-2, "whose attention is wanted; counts from 0, or from the end as -1"),
    "layer": Setting(-1, "of the image tower, whose attention it should be"),
    "temperature": positive(1.0, "of the teacher's softmax"),
    "image_view": Setting("image", "batch field of images"),
}
