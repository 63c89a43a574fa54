"""The best of several candidates by cosine, against all of them: the ranking of configs/curate/rs5m.py.

Candidates are the captions of a picture and three of other pictures.
"""

from pathlib import Path

from benchmarks.claims import Claim, job, make, train
from benchmarks.claims._shared import embedded_with

CONFIG = "--config=configs/curate/rs5m.py"
CANDIDATES = "--config.data.sources.quickstart.captions_by_id={candidates}/texts.jsonl"


def propose(folder: Path) -> None:
    """Writes four candidates a picture, of which the first, in random order, is its own."""
    import json

    import numpy as np
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    rows = pq.read_table("data/quickstart/train.parquet", columns=["id", "captions"]).to_pylist()
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            texts = [
                row["captions"][-1],
                *(rows[place]["captions"][-1] for place in rng.integers(len(rows), size=3)),
            ]
            mixed = [texts[place] for place in rng.permutation(len(texts))]
            file.write(
                json.dumps({"id": row["id"], "texts": mixed, "kind": "candidate", "by": "chance"}) + "\n"
            )


PROPOSED = make(propose)
EMBEDDED = embedded_with(CONFIG, train(seed=0), CANDIDATES, candidates=PROPOSED)
RANKED = job(
    *("curate", CONFIG, CANDIDATES, "--output={folder}", "--config.curate.steps=('best_captions',)"),
    *("--config.curate.embeddings={embedded}", "--config.curation.best_captions.kinds=('candidate',)"),
    candidates=PROPOSED,
    embedded=EMBEDDED,
)
CLAIM = Claim(
    title="RS5M: candidates ranked by cosine",
    arxiv="2306.11300",
    says="of several candidates by a captioner, those nearest to the image make better training pairs",
    arms={
        "all candidates": train("--config.data.text.kinds=candidate=1", CANDIDATES, candidates=PROPOSED),
        "the nearest": train(
            "--config.data.text.kinds=ranked=1",
            "--config.data.sources.quickstart.captions_by_id={ranked}/texts.jsonl",
            ranked=RANKED,
        ),
    },
)
