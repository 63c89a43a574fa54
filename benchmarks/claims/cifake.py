"""Pictures as they are against the same in other colours and textures."""

from benchmarks.claims import Claim, Figure, Step, train
from benchmarks.claims._labels import ALONE

SETS = {
    name: {"format": "beside_rerendered", "path": f"data/quickstart/{split}.parquet"}
    for name, split in (("train", "val"), ("test", "test"))
}


def probed(*flags: str) -> Step:
    """Returns a run that ends with a probe of real against re-rendered pictures."""
    asked = (
        "final=true",
        "sets=test",
        "train_sets=train",
        "positive=rerendered",
        "penalty=0.01",
        "attacked=100",
    )
    own = (f"--config.evaluators.detector.{one}" for one in asked)
    return train(f"--config.data.evaluation={SETS!r}", *ALONE[1:], *own, *flags)


CLAIM = Claim(
    title="CIFAKE: real or re-rendered",
    arxiv="2303.14126",
    says="real and generated pictures are told apart, 93 % of them, by cues that have little to do with the object",
    arms={"CLIP": probed(), "hardly trained": probed("--config.optimizer.learning_rate=1e-9")},
    figures={
        "accuracy": Figure("detector/test/accuracy", 0.5),
        "blanked where it decides": Figure("detector/test/deletion", percent=False),
        "blanked anywhere": Figure("detector/test/deletion_of_random", percent=False),
    },
)
