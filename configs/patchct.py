"""PatchCT (Li et al., 2023, arXiv 2307.09066): an image's patches and its labels as two sets, moved onto each other.

    python main.py --config=configs/patchct.py:model=vit_b16,resolution=448
    python main.py --config=configs/patchct.py:runlocal

No solver: patches are shared out among the labels, and labels among the patches, by softmaxes. Beside it the asymmetric
loss of all labels. No code is public; weights, and what labels are scored by, are not verified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, tagging

METHODS = [
    {
        "paper": "PatchCT: Aligning Patch Set and Label Set with Conditional Transport for Multi-Label Image "
        "Classification",
        "arxiv": "2307.09066",
        "family": "supervised",
        "check": "tests/kernels/test_region_kernels.py::test_transport_shares_out_rows_and_columns",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = tagging.get_config(argument)
    config.name = config.name.replace("tagging", "patchct")
    config.model.image.patch_dropout = 0.0
    for name in ("contrastive", "tagging"):
        config.objectives[name].weight = 0.0
    config.objectives.transport.weight = 1.0
    config.evaluators.tags.scorer = "transport/scorer"
    if not clip.parse(argument).runlocal:
        config.update(batch_size=256, steps=100_000)
    return config
