"""Noise planted among the bundled pairs, and ALIGN's filter before training on them.

A third each of what is planted: one of three texts that no picture is meant by, words of random letters, and another
picture's captions. The filter's rules can find the first two.
"""

from pathlib import Path

from benchmarks.claims import Claim, Step, job, make, train
from benchmarks.claims._shared import CLIP, CURATED

BOILERPLATE = ("click here to download this image", "free stock picture for you", "image not available now")
SOURCE = "--config.data.sources.quickstart.path={noisy}/train.parquet"


def plant(folder: Path, share: float) -> None:
    """Writes the training set with noise in the place of a share of its captions, translations left out."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    table = pq.read_table("data/quickstart/train.parquet")
    clean = list(
        zip(*(table.column(name).to_pylist() for name in ("captions", "caption_kinds")), strict=True)
    )
    pairs = list(clean)
    order = rng.permutation(len(pairs))[: round(share * len(pairs))]
    for turn, place in enumerate(order):
        letters = " ".join("".join(rng.choice([*"abcdefghijklmnopqrstuvwxyz"], 6)) for _ in range(5))
        junk = (BOILERPLATE[rng.integers(3)], letters)
        # Another's are those of the next in the same random order.
        other = clean[order[(turn + 1) % len(order)]]
        pairs[place] = ([junk[turn % 3]], ["keywords"]) if turn % 3 < 2 else other
    for name, values in zip(("captions", "caption_kinds"), zip(*pairs, strict=True), strict=True):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array(list(values), pa.list_(pa.string())))
    pq.write_table(table, folder / "train.parquet")


def noisy(share: float) -> Step:
    """Returns CLIP on pairs of which a share is noise."""
    return train(SOURCE, noisy=make(plant, share=share))


def filtered(share: float) -> Step:
    """Returns CLIP on what the filter keeps of them."""
    pairs = make(plant, share=share)
    kept = job("curate", "--config=configs/curate/align.py", "--output={folder}", SOURCE, noisy=pairs)
    return train(SOURCE, CURATED, noisy=pairs, kept=kept)


CLAIM = Claim(
    title="ALIGN: noisy pairs, and its filter",
    arxiv="2102.05918",
    says="many noisy pairs do as well as fewer clean ones, and few simple rules for texts and images are filter enough",
    arms={
        "60% noise": noisy(0.6),
        "60% noise, filtered": filtered(0.6),
        "30% noise": noisy(0.3),
        "no noise": CLIP,
    },
)
