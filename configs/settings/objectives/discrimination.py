"""Images among the centres of a large table of classes or clusters: MLCD, UNICOM, MOFI's entities."""

from __future__ import annotations

from configs.settings.setting import Setting, count, not_negative, positive, positive_share

CLASS = "vlp.objectives.discrimination:Discrimination"
MODEL_AXIS = ("classes",)

SETTINGS = {
    "labels": Setting("cluster_ids", "batch field of class numbers, such as a name of data.tables"),
    "classes": count(1_000_000, "rows of the table"),
    "image_view": Setting("image", "batch field of images"),
    "kernel": Setting("separated", "what turns scores into a loss", choices=("softmax", "separated")),
    "scale": positive(64.0, "of cosines"),
    "margin_kind": Setting("angle", "what the margin is added to", choices=("cosine", "angle")),
    "margin": not_negative(0.3, "by which a positive has to be better"),
    "rate": positive_share(
        0.1, "share of the classes that take part in a step, with all labels of the batch"
    ),
    "feature_rate": positive_share(1.0, "share of the dimensions that do"),
    "chunk": count(1024, "rows scored at a time on each device"),
}
