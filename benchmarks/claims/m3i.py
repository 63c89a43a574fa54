"""A mixture of two images: texts, views, and both."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._labels import ALONE
from benchmarks.claims._shared import CLIP
from benchmarks.claims.slip import VIEWS

MIXED = (f"--config.data.image_views={VIEWS!r}", "--config.objectives.contrastive.weight=0")
SIZE = {"hidden_width": 256, "output_width": 64, "depth": 1, "heads": 2, "mlp_dim": 512}
TEXTS = train(*MIXED, *on("mixed_views", view_weight=0.0, **SIZE))
# A stage of its own, of the image tower: no text is read.
VIEWS_ALONE = train(*MIXED, *ALONE, *on("mixed_views", text_weight=0.0, **SIZE))

CLAIM = Claim(
    title="M3I: two images in one",
    arxiv="2211.09807",
    says="all targets in one stage are better than any of them alone",
    arms={
        "CLIP": CLIP,
        "texts of the mixture": TEXTS,
        "views and texts of the mixture": train(*MIXED, *on("mixed_views", **SIZE)),
        "the same, twice as long": train(*MIXED, *on("mixed_views", **SIZE), times=2),
        "views, then texts": train(
            *MIXED,
            "--config.checkpoint.start_image={views}",
            *on("mixed_views", view_weight=0.0, **SIZE),
            views=VIEWS_ALONE,
        ),
    },
)
