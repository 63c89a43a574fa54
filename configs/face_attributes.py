"""Deep Learning Face Attributes (Liu et al., 2014, arXiv 1411.7766): who it is first, and then what it looks like.

    python main.py --config=configs/face_attributes.py:model=vit_b16,resolution=224,stage=identity --workdir=runs/who
    python main.py --config=configs/face_attributes.py:model=vit_b16,resolution=224 \
      --config.checkpoint.start_image=runs/who

The first stage tells identities apart, by the `group` of a record; the second starts from its towers and asks for every
attribute by its name, a yes-or-no question each. Where in a picture an attribute is answered is what `dense` asks:
response maps on collages, whose pointing has a chance of a quarter, without a box in training. The paper learns to
find faces in the same way from attributes alone, with two networks of its own; here patches are compared with names.

The bundled drawings have concepts in the place of persons and tags in the place of attributes. CelebA is a source with
`columns={'group': IDENTITY, 'tags': ATTRIBUTES}`, and `data.labels.tags.path` a file of its 40 attributes.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import tagging
from configs.common import evaluate_images, parse_arg

METHODS = [
    {
        "paper": "LNets+ANet: Deep Learning Face Attributes in the Wild",
        "arxiv": "1411.7766",
        "family": "supervised",
        "before": [
            "--config=configs/face_attributes.py:runlocal,stage=identity --workdir=runs/methods/identity"
        ],
        "flags": "--config.checkpoint.start_image=runs/methods/identity",
        "check": "tests/evaluation/test_dense.py::"
        "test_a_model_that_sees_every_patch_right_has_every_figure_right",
    },
]

STAGES = ("attributes", "identity")


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, runlocal=False, stage=STAGES)
    size = f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}"
    config = tagging.get_config(size)
    config.name = config.name.replace("tagging", f"face_{arg.stage}")
    config.objectives.contrastive.weight = 0.0
    if arg.stage == "attributes":
        config.evaluators.dense.update(final=True, sets=("val_vendor",), collages=100)
        return config
    config.objectives.tagging.weight = 0.0
    config.data.labels.identity = {"of": "group", "most": 1}
    config.objectives.discrimination.update(
        weight=1.0, labels="identity_ids", classes=2010, kernel="softmax", margin_kind="cosine", rate=1.0
    )
    config.evaluators.tags.update(every=0, final=False)
    evaluate_images(config, every=config.evaluators.retrieval.every)
    return config
