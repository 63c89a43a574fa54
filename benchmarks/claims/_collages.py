"""What claims on regions begin with: pictures two by two, whose regions are known, and their categories as texts."""

from __future__ import annotations

from benchmarks.claims import SET, Figure, Step, train

COLUMNS = {"captions": "captions", "tags": "tags", "label": "category", "group": "concept"}
CATEGORIES = "data/quickstart/tables/categories.json"


def entry(split: str, form: str) -> dict[str, object]:
    """Returns a split of the bundled pairs, as they are or as collages."""
    return {"format": form, "path": f"data/quickstart/{split}.parquet", "columns": COLUMNS}


SOURCES = {"collages": entry("train", "collages")}
SETS = {SET: entry(SET, "parquet"), "collages": entry(SET, "collages")}
LABELS = {"classes": {"path": CATEGORIES, "of": "label", "most": 1}}
ON_COLLAGES = (
    "--config.model.image.patch_dropout=0",  # what looks at patches needs them all, and is compared with its like
    f"--config.data.sources={SOURCES!r}",
    f"--config.data.evaluation={SETS!r}",
    f"--config.evaluators.retrieval.sets=('{SET}',)",
    f"--config.data.labels={LABELS!r}",
)


def collages(*flags: str, names: str = "classes", scorer: str = "", part: str = "") -> Step:
    """Returns a run on collages, whose regions and maps are measured by parts, or by the towers alone."""
    texts = {names: {"path": CATEGORIES, "templates": ("{}", "a picture of {}")}}
    return train(
        *ON_COLLAGES,
        f"--config.data.texts={texts!r}",
        *(f"--config.evaluators.{name}.final=true" for name in ("segmentation", "regions")),
        *(f"--config.evaluators.{name}.sets=('collages',)" for name in ("segmentation", "regions")),
        f"--config.evaluators.segmentation.scorer={scorer}",
        f"--config.evaluators.regions.part={part}",
        *flags,
    )


CLIP = collages()
POINTING = Figure("segmentation/collages/pointing", 0.25)
MAPS = {"pointing": POINTING, "mean IoU": Figure("segmentation/collages/mean_iou")}
NAMED = {
    "regions named right": Figure("regions/collages/accuracy", 1 / 79),
    "regions found for a text": Figure("regions/collages/recall_at_5"),
}
