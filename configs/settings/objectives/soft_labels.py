"""A classifier that learns a frozen teacher's answers: SimCLRv2's distillation on images without labels."""

from __future__ import annotations

from configs.settings.setting import Setting, count, positive

CLASS = "vlp.objectives.soft_labels:SoftLabels"
MODEL_AXIS = ("classes",)

SETTINGS = {
    "teacher": Setting("teacher", "an entry of `frozen`"),
    "part": Setting("classification/classifier", "of it, one of its `parts`: gives logits of embeddings"),
    "classes": count(1000, "of both"),
    "temperature": positive(1.0, "of both softmaxes"),
    "image_view": Setting("image", "batch field of images"),
}
