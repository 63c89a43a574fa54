"""A text tower for an image tower that classifies concepts already: locked, trained on, and from scratch.

The tower has seen the same pictures with their 2,010 concepts as classes, for as many steps as the pairs come after.
"""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._shared import CLIP

TOWER = train(
    "--config.objectives.contrastive.weight=0",
    *on("discrimination", kernel="softmax", labels="entity_id", classes=2010, rate=1.0),
    *("--config.objectives.discrimination.scale=16", "--config.objectives.discrimination.margin=0"),
    "--config.data.tables={'entity_id': {'path': 'data/quickstart/tables/entities.parquet'}}",
)
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
            START, "--config.optimizer.learning_rate_rules=^model/image(_projection)?/ = 0", tower=TOWER
        ),
    },
)
