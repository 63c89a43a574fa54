"""Captions with tags that they do not mention, against the captions alone: configs/curate/fusecap.py."""

from benchmarks.claims import Claim, job, train

OWN = "--config.data.text.kinds=title=1,unicode-name=1,sentence=1,description=1"
FUSED = job("curate", "--config=configs/curate/fusecap.py", "--output={folder}")
CLAIM = Claim(
    title="FuseCap: captions enriched by tags",
    arxiv="2305.17718",
    says="models trained on captions that were fused with what experts see retrieve better than on the captions alone",
    arms={
        "captions": train(OWN),
        "fused captions": train(
            "--config.data.text.kinds=fused=1",
            "--config.data.sources.quickstart.captions_by_id={fused}/texts.jsonl",
            fused=FUSED,
        ),
    },
)
