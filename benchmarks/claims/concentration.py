"""A student of two specialists, and one of the labels themselves."""

from benchmarks.claims import Claim, Step, on, train
from benchmarks.claims._labels import ALONE, PROBED

TABLES = "data/quickstart/tables"
LABELS = {
    "classes": {"path": f"{TABLES}/vertical_categories.json", "of": "label", "most": 1},
    "verticals": {"path": f"{TABLES}/verticals.json", "of": "branch", "most": 1},
}
ASKED = on("classification", labels="classes_ids", classes=13, bias=-2.0)


def known(file: str, *flags: str, **needs: Step) -> Step:
    """Returns a run on the records of the categories in a file."""
    kept = f"--config.data.sources.quickstart.keep_labels={TABLES}/{file}.json"
    return train(*ALONE, f"--config.data.labels={LABELS!r}", kept, *flags, **needs)


FROZEN = {
    name: {"checkpoint": f"{{{name}}}", "dtype": "bfloat16", "parts": ("classification/classifier",)}
    for name in ("animals", "objects")
}
CLAIM = Claim(
    title="Knowledge Concentration: two specialists in one student",
    arxiv="1711.07607",
    says="a student of routed specialists is better than one network that learns all labels (average precision)",
    arms={
        "all labels": known("vertical_categories", *ASKED),
        "two specialists": known(
            "vertical_categories",
            f"--config.frozen={FROZEN!r}",
            *on("concentration", sizes=(6, 7), teachers=("animals", "objects")),
            animals=known("animals-nature", *ASKED),
            objects=known("objects", *ASKED),
        ),
    },
    figures=PROBED,
)
