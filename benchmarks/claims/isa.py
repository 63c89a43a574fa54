"""Images as sentences by a small tower: one word or several, and what both halves of a query find alone."""

from benchmarks.claims import Claim, train
from benchmarks.claims._composed import COMPOSED, START

CLAIM = Claim(
    title="ISA: an image as a sentence",
    arxiv="2403.01431",
    says="a sentence of several pseudo words is better than one word, and both than the text alone",
    arms={
        f"{words} word{'s' * (words > 1)}": train(
            "--config.checkpoint.start={start}",
            "--config.batch_size=64",
            f"--config.objectives.pseudo_words.words={words}",
            config="configs/isa.py:runlocal",
            start=START,
        )
        for words in (1, 4)
    },
    figures=COMPOSED,
)
