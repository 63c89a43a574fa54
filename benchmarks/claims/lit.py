"""A text tower for an image tower that classifies concepts already: locked, trained on, and from scratch.

The tower has seen the same pictures with their 2,010 concepts as classes, for as many steps as the pairs come after.
"""

from benchmarks.claims import Claim, train
from benchmarks.claims._labels import ALONE
from benchmarks.claims._shared import CLIP, ENTITIES

TOWER = train(*ALONE, *ENTITIES)
START = "--config.checkpoint.start_image={tower}"

CLAIM = Claim(
    title="LiT: the image tower locked",
    arxiv="2111.07991",
    says="of towers that are pre-trained, trained on or locked, a locked image tower beside a trained text tower "
    "works best",
    arms={
        "from scratch": CLIP,
        "pre-trained image tower, trained on": train(START, tower=TOWER),
        "pre-trained image tower, locked": train(
            START,
            "--config.optimizer.learning_rate_rules=^model/image(_projection)?/ = 0",
            tower=TOWER,
        ),
    },
)
