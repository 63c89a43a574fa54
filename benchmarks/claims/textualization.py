"""Planted tags that a picture does not show, verified or not before training: configs/curate/textualization.py.

Every list of keywords has as many tags of another picture in it as half of its own.
"""

from pathlib import Path

from benchmarks.claims import Claim, job, make, train
from benchmarks.claims._shared import embedded_with

CONFIG = "--config=configs/curate/textualization.py"
SOURCE = "--config.data.sources.quickstart.path={planted}/train.parquet"
NOUNS = "--config.curation.verify_nouns.nouns={nouns}/tags.json"


def plant(folder: Path) -> None:
    """Writes the training set with the tags of other pictures among the keywords of each, and no other captions."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    table = pq.read_table("data/quickstart/train.parquet")
    tags, captions = (table.column(name).to_pylist() for name in ("tags", "captions"))
    planted = []
    for own, other, texts in zip(
        tags, (tags[place] for place in rng.permutation(len(tags))), captions, strict=True
    ):
        false = [tag for tag in other if tag not in own][: max(1, len(own) // 2)]
        words = [*own, *false]
        planted.append([f"{texts[0]}: {', '.join(words[place] for place in rng.permutation(len(words)))}"])
    for name, values in (("captions", planted), ("caption_kinds", [["keywords"]] * len(planted))):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array(values, pa.list_(pa.string())))
    pq.write_table(table, folder / "train.parquet")


PLANTED = make(plant)
FOUND = job("labels", "--output={folder}/tags.json", "--config.labels.of=tags", "--config.labels.least=5")
EMBEDDED = embedded_with(CONFIG, train(seed=0), SOURCE, NOUNS, planted=PLANTED, nouns=FOUND)
VERIFIED = job(
    *("curate", CONFIG, SOURCE, NOUNS, "--output={folder}", "--config.curate.steps=('verify_nouns',)"),
    *("--config.curate.embeddings={embedded}", "--config.curation.verify_nouns.threshold=0.15"),
    planted=PLANTED,
    nouns=FOUND,
    embedded=EMBEDDED,
)
CLAIM = Claim(
    title="Image Textualization: planted mentions, verified",
    arxiv="2406.07502",
    says="descriptions without what experts do not find hallucinate less, and models tuned on them do better",
    arms={
        "planted mentions": train(SOURCE, planted=PLANTED),
        "verified": train(
            SOURCE,
            "--config.data.text.kinds=verified=1",
            "--config.data.sources.quickstart.captions_by_id={verified}/texts.jsonl",
            planted=PLANTED,
            verified=VERIFIED,
        ),
        "nothing planted": train("--config.data.text.kinds=keywords=1"),
    },
)
