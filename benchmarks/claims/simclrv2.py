"""A tenth of the labels: a classifier from scratch, behind a contrast of views, and as a teacher on all images."""

from benchmarks.claims import Claim, Step, train
from benchmarks.claims._labels import PROBED

OFF = tuple(
    f"--config.evaluators.{name}.final=false" for name in ("zero_shot", "retrieval", "image_retrieval")
)


def stage(*flags: str, name: str, **needs: Step) -> Step:
    """Returns one of the three runs."""
    return train(*OFF, *flags, config=f"configs/simclrv2.py:runlocal,stage={name}", **needs)


CONTRAST = stage(name="contrast")
TUNED = stage("--config.checkpoint.start={contrast}", name="tune", contrast=CONTRAST)

CLAIM = Claim(
    title="SimCLRv2: a tenth of the labels",
    arxiv="2006.10029",
    says="a contrast before it makes a classifier from 10 % of ImageNet's labels better than one from scratch, and "
    "distillation on all images makes it better again",
    arms={
        "a tenth of the labels": stage(name="tune"),
        "after a contrast": TUNED,
        "its student on all images": stage(
            "--config.frozen.teacher.checkpoint={tuned}", name="distil", tuned=TUNED
        ),
    },
    figures=PROBED,
)
