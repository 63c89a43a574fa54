"""RAM++ (Huang et al., 2023, arXiv 2310.15200): tags asked of patches by descriptions that each image weighs.

    python main.py --config=configs/rampp.py:model=vit_b16,resolution=384,start=WORKDIR,descriptions=tags.json
    python main.py --config=configs/rampp.py:runlocal

`descriptions` is JSON of sentences by tag, as a language model writes them, 50 and a template each in the paper;
without it the templates describe. From `start`, an imported CLIP, the text tower is held. `stored` is a table of image
embeddings by id, as `--job=embed` writes it, which the image's own features stay near. The paper's image tower is a
Swin-L; here it is ours. The scorer outlives training: `evaluators.tags` asks it for all tags, a quarter of which
training never saw, and has figures of both.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg

METHODS = [
    {
        "paper": "RAM++: Inject Semantic Concepts into Image Tagging for Open-Set Recognition",
        "arxiv": "2310.15200",
        "family": "supervised",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]
SEEN = "data/quickstart/tables/seen_tags.json"


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(
        argument, model="vit_b16", resolution=384, start="", descriptions="", stored="", runlocal=False
    )
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("clip", "rampp")
    texts = {"path": arg.descriptions or SEEN, "labels": "verbatim"}
    own = ("a picture of {}.",) if arg.descriptions else ("{}", "a picture of {}", "clip art of {}")
    config.data.labels = {"tags": {"path": SEEN, "of": "tags"}}
    config.data.texts = {"tags": {**texts, "templates": own}}
    config.model.image.patch_dropout = 0.0
    config.objectives.contrastive.weight = 0.0
    config.objectives.described_tags.weight = 1.0
    config.checkpoint.start = arg.start
    if arg.start:
        config.optimizer.learning_rate_rules = "^model/text = 0; .* = 1"
    if arg.stored:
        config.data.tables = {"stored": {"path": arg.stored, "column": "embedding"}}
        config.objectives.described_tags.stored = "stored"
    scorer = {"kind": "multi_label", "scorer": "described_tags/scorer", "sets": ("val_vendor",), "seen": SEEN}
    config.evaluators.tags = {**scorer, "final": True, "every": config.evaluators.retrieval.every}
    if arg.runlocal:
        config.objectives.described_tags.update(width=32, depth=1, heads=2, mlp_dim=64, chunk=64)
    else:
        config.update(batch_size=256, steps=200_000)
        config.objectives.described_tags.chunk = 512
        config.optimizer.update(learning_rate=1e-4, weight_decay=0.05)
    return config
