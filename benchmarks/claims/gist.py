"""Descriptions of its class that an image is near to, against as many of the class by chance: configs/gist.py."""

from benchmarks.claims import Claim, Step, job, train
from benchmarks.claims._shared import embedded_with

CONFIG = "--config=configs/curate/gist.py"
DESCRIBED = job("describe", "--output={folder}/descriptions.json")
START = train(seed=0)
EMBEDDED = embedded_with(
    CONFIG,
    START,
    "--config.curation.match_captions.descriptions={described}/descriptions.json",
    described=DESCRIBED,
)


def tuned(choice: str) -> Step:
    """Returns CLIP tuned on descriptions that were chosen in a way."""
    curated = job(
        *("curate", CONFIG, "--output={folder}", "--config.curate.embeddings={embedded}"),
        "--config.curation.match_captions.descriptions={described}/descriptions.json",
        *("--config.curation.match_captions.top=1", f"--config.curation.match_captions.choice={choice}"),
        described=DESCRIBED,
        embedded=EMBEDDED,
    )
    return train(
        "--config.checkpoint.start={start}",
        "--config.optimizer.learning_rate=1e-4",
        "--config.data.text.kinds=gist=1",
        "--config.data.sources.quickstart.captions_by_id={curated}/texts.jsonl",
        start=START,
        curated=curated,
    )


CLAIM = Claim(
    title="GIST: matched descriptions",
    arxiv="2307.11315",
    says="tuned on descriptions matched to each image, CLIP's features are 4.1 points better than without, and better "
    "than on descriptions of the class by chance",
    arms={
        "a random description of the class": tuned("random"),
        "the nearest": tuned("nearest"),
        "not tuned": START,
    },
)
