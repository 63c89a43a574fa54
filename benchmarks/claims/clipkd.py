"""A small model with a larger one to learn from, against the same model alone."""

from benchmarks.claims import Claim, Step, on, train

TEACHER = train("--config.model.image.depth=4", times=3, seed=0)
SMALL = ("--config.model.image.depth=1", "--config.model.text.depth=1")


def taught(**terms: float) -> Step:
    """Returns the small model with a teacher, and these terms beside the scores of its pairs."""
    return train(
        *SMALL,
        *on("distillation", **terms),
        "--config.frozen={'teacher': {'checkpoint': '{teacher}', 'dtype': 'bfloat16'}}",
        teacher=TEACHER,
    )


CLAIM = Claim(
    title="CLIP-KD: a student with a teacher",
    arxiv="2307.12732",
    says="features and interaction help most, and all together more (zero-shot ImageNet, CC3M and CC12M)",
    arms={
        "a small model alone": train(*SMALL),
        "with the teacher's scores": taught(),
        "with scores and features": taught(feature=2000.0, interactive=1.0),
    },
)
