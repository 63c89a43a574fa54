"""A text tower as BERT's, read at its first token, and texts of more tokens, against CLIP's."""

from benchmarks.claims import Claim, train
from benchmarks.claims._shared import CLIP

BERT = (
    "--config.model.text.causal=False",
    "--config.model.text.pool=first",
    "--config.model.text.post_norm=True",
    "--config.model.text.projection=mlp",
    "--config.model.text.activation=gelu",
)

CLAIM = Claim(
    title="BiomedCLIP: BERT for texts, and longer ones",
    arxiv="2303.00915",
    says="a BERT of the domain as text tower is better than GPT-2, and 256 tokens of a text better than 77",
    arms={
        "CLIP": CLIP,
        "BERT's tower": train(*BERT),
        "BERT's tower, texts of 64 tokens": train(*BERT, "--config.tokenizer.length=64"),
    },
)
