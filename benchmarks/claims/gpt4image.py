"""A classifier beside stored text rows: those of each image, and those of others."""

from pathlib import Path

from benchmarks.claims import Claim, Step, job, make, on, train
from benchmarks.claims._labels import ALONE, PROBED
from benchmarks.claims._shared import CLIP

LABELS = "--config.data.labels={'classes': {'of': 'label', 'most': 1}}"
CLASSES = on("classification", kernel="softmax", labels="classes_ids", classes=172)
CAPTIONS = job("curate", "--config=configs/curate/fusecap.py", "--output={folder}")
WRITTEN = (
    "--config.data.sources.quickstart.captions_by_id={captions}/texts.jsonl",
    "--config.data.text.kinds=fused=1",
)
ROWS = job(
    *(
        "embed",
        "--checkpoint={model}",
        "--config=configs/quickstart.py:runlocal",
        "--output={folder}",
        *WRITTEN,
    ),
    *("--config.embed.sets=('quickstart',)", "--config.embed.feature=text", "--config.embed.format=parquet"),
    model=train(seed=0),
    captions=CAPTIONS,
)


def permuted(folder: Path, rows: Path) -> None:
    """Writes the rows with each image's in the place of another's."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(rows / "quickstart" / "text")
    order = np.random.default_rng(0).permutation(len(table))
    shuffled = table["embedding"].combine_chunks().take(pa.array(order))
    place = table.schema.get_field_index("embedding")
    (folder / "quickstart" / "text").mkdir(parents=True)
    pq.write_table(
        table.set_column(place, "embedding", shuffled), folder / "quickstart" / "text" / "0.parquet"
    )


def beside(rows: Step) -> Step:
    """Returns the classifier that also finds the stored row of each image."""
    table = {"path": "{rows}/quickstart/text/*.parquet", "column": "embedding", "of": "text"}
    tables = f"--config.data.tables={ {'described': table}!r}"
    contrast = on("stored_contrast", 0.3, width=128)
    return train(*ALONE, LABELS, *CLASSES, *WRITTEN, tables, *contrast, rows=rows, captions=CAPTIONS)


CLAIM = Claim(
    title="GPT4Image: what was said of each image",
    arxiv="2306.00693",
    says="a classifier gains from rows of descriptions that it sees in training alone (ImageNet); rows of other images "
    "should take the gain away",
    arms={
        "classes alone": train(*ALONE, LABELS, *CLASSES),
        "with the rows of others": beside(make(permuted, rows=ROWS)),
        "with its own rows": beside(ROWS),
        "CLIP": CLIP,
    },
    figures=PROBED,
)
