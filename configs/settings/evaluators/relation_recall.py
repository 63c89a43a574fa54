"""What one region is to another, told by a part of the model."""

from __future__ import annotations

from configs.settings.setting import Setting, count

CLASS = "vlp.evaluation.dense.relation_recall:RelationRecall"

SETTINGS = {
    "part": Setting(
        "", "part of the model that tells relations, as relations/relations; '' = crops by sentences"
    ),
    "predicates": Setting(
        (
            *("right of", "below and right of", "below", "below and left of"),
            *("left of", "above and left of", "above", "above and right of"),
        ),
        "names of eight directions, clockwise from right",
    ),
    "nearest": count(5, "relations of an image that count, the likeliest"),
}
