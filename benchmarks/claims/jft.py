"""A fifth of the labels wrong, and more and more images."""

from benchmarks.claims import Claim, Step
from benchmarks.claims._labels import PROBED, tagged


def images(share: float, noise: float = 0.2) -> Step:
    """Returns a run on a share of the images, with planted mistakes."""
    return tagged(f"--config.data.sources.quickstart.fraction={share}", noise=noise)


CLAIM = Claim(
    title="JFT: noisy labels and more images",
    arxiv="1707.02968",
    says="features get better with the logarithm of the number of images, although a fifth of the labels is wrong",
    arms={
        "3,227 images": images(1.0),
        "807 images": images(0.25),
        "202 images": images(0.0625),
        "3,227 images, no mistakes": images(1.0, noise=0.0),
    },
    figures=PROBED,
)
