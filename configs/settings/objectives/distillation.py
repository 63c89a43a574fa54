"""A student's scores and embeddings of pairs against those of teachers: CLIP-KD, DistillClip, MobileCLIP."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import CHUNK
from configs.settings.setting import Setting, not_negative

CLASS = "vlp.objectives.distillation:Distillation"

SETTINGS = {
    "teachers": Setting(("teacher",), "entries of `frozen`, where rows are not stored"),
    "stored_images": Setting(
        (),
        "entries of data.tables: unit rows of each teacher, or one with those of all side by side; () = they run",
    ),
    "stored_texts": Setting((), "the same of texts"),
    "stored_widths": Setting((), "of each teacher's stored rows"),
    "scales": Setting((), "of each teacher's cosines; () = its own, of models that run"),
    "biases": Setting((), "of these then; () = its own, and none of stored rows"),
    "image_view": Setting("image", "batch field of images"),
    "text_view": Setting("text", "batch field of texts"),
    "divergence": Setting(
        "kl",
        "of scores from the teachers'; cross_entropy has their entropy, too; sigmoid asks each cell",
        choices=("kl", "cross_entropy", "sigmoid"),
    ),
    "affinity": not_negative(1.0, "weight: scores of images against texts should be the teachers'"),
    "interactive": not_negative(0.0, "weight: the student's images against the teacher's texts, and back"),
    "cross_affinity": not_negative(0.0, "weight: those scores should be the teacher's own"),
    "feature": not_negative(0.0, "weight of squared differences of embeddings; CLIP-KD has 2000"),
    "gradient": not_negative(0.0, "weight of squared differences of the contrast's gradients"),
    "gradient_temperature": Setting(
        "paper",
        "of these; released = the scale, where the paper has what it is one over",
        choices=("paper", "released"),
    ),
    "fusion": not_negative(0.0, "weight of a contrast of layers over both models' embeddings"),
    "cross_scale": Setting(
        2.6593, "learned scale of interactive, cross_affinity and fusion at first, as released", above=0
    ),
    "chunk": CHUNK,
}
ONE_TEACHER = ("interactive", "cross_affinity", "feature", "gradient", "fusion")


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that there are teachers, each with what is known of it, and one where the terms are of one."""
    if not entry.weight:
        return
    if bool(entry.stored_images) != bool(entry.stored_texts):
        raise ValueError(
            f"{where}: stored_images={entry.stored_images} and stored_texts={entry.stored_texts} belong together: name "
            "tables of both, or none"
        )
    names = entry.stored_widths if entry.stored_images else entry.teachers
    setting = "stored_widths" if entry.stored_images else "teachers"
    if not names:
        raise ValueError(f"{where}.{setting}=() leaves nobody to learn from: name one for each teacher")
    for name in ("scales", "biases"):
        needed = bool(entry.stored_images) and name == "scales"
        if len(entry[name]) != len(names) and (entry[name] or needed):
            raise ValueError(
                f"{where}.{name}={entry[name]} must have a number for each of {setting}={names}, as 100"
            )
    if not any(entry[name] for name in (*ONE_TEACHER, "affinity")):
        raise ValueError(f"{where}: every term has weight 0: give one a weight, or {where}.weight=0")
    if len(names) > 1 and (several := [name for name in ONE_TEACHER if entry[name]]):
        raise ValueError(
            f"{where}.{several[0]}={entry[several[0]]} is of one teacher, not of {setting}={names}: name one"
        )
