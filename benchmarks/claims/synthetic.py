"""Real pairs, the same ones repainted, and both."""

from benchmarks.claims import Claim, Step, train
from benchmarks.claims._claim import COLUMNS
from benchmarks.claims._shared import CLIP

PAIRS = {"path": "data/quickstart/train.parquet", "columns": COLUMNS}


def on_sources(real: float = 0.0, painted: float = 0.0) -> Step:
    """Returns CLIP on shares of the real and of the repainted pairs, as many of a batch of each."""
    shares = {"real": ("parquet", real), "rerendered": ("rerendered", painted)}
    sources = {
        name: {**PAIRS, "format": form, "fraction": share} for name, (form, share) in shares.items() if share
    }
    return train(f"--config.data.sources={sources!r}")


CLAIM = Claim(
    title="Synthetic pictures in the place of real ones",
    arxiv="2312.04567",
    says="synthetic pictures make CLIP grow a little slower with their number than real ones; where real ones are few, "
    "they help (under half a million). Ours are real ones in other colours and textures, not a diffusion model's",
    arms={
        "real": CLIP,
        "real, a tenth": on_sources(real=0.1),
        "repainted": on_sources(painted=1.0),
        "repainted, a tenth": on_sources(painted=0.1),
        "real, a tenth, and repainted": on_sources(real=0.1, painted=1.0),
    },
)
