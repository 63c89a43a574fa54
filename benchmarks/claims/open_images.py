"""Half of the tags hidden: what nobody verified ignored, or denied."""

from pathlib import Path

from benchmarks.claims import Claim, Step, make
from benchmarks.claims._labels import PROBED, tagged

TRAIN = "data/quickstart/train.parquet"
TABLES = "data/quickstart/tables"


def hide(folder: Path, share: float) -> None:
    """Writes the training pairs with a share of their tags missing, the same ones for all seeds."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, dice = pq.read_table(TRAIN), np.random.default_rng(0)
    tags = [[tag for tag in own if dice.random() >= share] for own in table.column("tags").to_pylist()]
    place = table.column_names.index("tags")
    hidden = table.set_column(place, "tags", pa.array(tags, table.schema.field("tags").type))
    pq.write_table(hidden, folder / "train.parquet")


def denials(folder: Path) -> None:
    """Writes what the bundled table denies, alone: what it confirms are the tags that are hidden."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(f"{TABLES}/verified.parquet")
    pq.write_table(table.filter(pc.equal(table.column("confidence"), 0)), folder / "denied.parquet")


def half(**entry: str) -> Step:
    """Returns a run on half of the tags."""
    path = "--config.data.sources.quickstart.path={hidden}/train.parquet"
    needs = {"hidden": make(hide, share=0.5), "denied": make(denials)}
    return tagged(path, needs=needs, hierarchy=f"{TABLES}/hierarchy.json", **entry)


CLAIM = Claim(
    title="Open Images: labels that nobody verified",
    arxiv="1811.00982",
    says="labels are verified by people, and what is not verified is neither there nor absent; to ignore it should be "
    "better than to deny it where half of what is there is not labelled",
    arms={
        "denied": half(),
        "ignored": half(verified="{denied}/denied.parquet"),
        "all tags": tagged(hierarchy=f"{TABLES}/hierarchy.json"),
    },
    figures=PROBED,
)
