"""One linear map into the text space of CLIP: of its own images, of a tower that saw images alone, and of none's."""

from benchmarks.claims import Claim, Figure, Step, job, on, train
from benchmarks.claims._labels import ALONE
from benchmarks.claims._shared import CLIP
from benchmarks.claims.slip import VIEWS


def bridged(model: Step) -> Step:
    """Returns the evaluation of a linear map of a model's images."""
    return job(
        *("evaluate", "--checkpoint={model}", "--config=configs/eval/linear_bridge.py"),
        *("--config.evaluators.linear_bridge.texts={texts}", "--output={folder}/results.json"),
        model=model,
        texts=CLIP,
    )


VIEWED = train(
    *ALONE, f"--config.data.image_views={VIEWS!r}", *on("view_contrast", hidden_width=256, output_width=64)
)

CLAIM = Claim(
    title="LiMBeR: linear maps of image towers",
    arxiv="2209.15162",
    says="the more language in the training of an image tower, the better a linear map of it: CLIP's before one of "
    "labels, before one of images alone; of a random tower nothing",
    arms={
        "CLIP": bridged(CLIP),
        "views of images alone": bridged(VIEWED),
        "random weights": bridged(train("--config.optimizer.learning_rate=1e-9")),
    },
    figures={
        f"{words} R@10": Figure(f"linear_bridge/val_vendor/{name}/recall@10", 0.025)
        for words, name in (("text to image", "text_to_image"), ("image to text", "image_to_text"))
    },
)
