"""M3I (Su et al., 2022, arXiv 2211.09807): two images in one, and the views and texts of both in a single stage.

    python main.py --config=configs/m3i.py:model=vit_b16,resolution=224
    python main.py --config=configs/m3i.py:runlocal

Half of an image's patches are another image's; queries ask the tower for either, and have to find its view, as a
teacher sees it, and its text. Published: the mixture, the targets of one forward pass and that one stage takes the
place of several. Not verified, for no code is published: how mutual information is estimated (InfoNCE here), the
weights, the queries' depth and the optimiser (SLIP's). Labels are texts here: `data.text.label_share`.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import slip
from configs.common import parse_arg

METHODS = [
    {
        "paper": "M3I: Towards All-in-one Pre-training via Maximizing Multi-modal Mutual Information",
        "arxiv": "2211.09807",
        "family": "hybrid",
        "check": "tests/objectives/test_image_only.py::test_with_nothing_mixed_and_texts_alone_it_is_clip",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, runlocal=False)
    config = slip.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("slip", "m3i")
    config.objectives.contrastive.weight = config.objectives.view_contrast.weight = 0.0
    config.objectives.mixed_views.weight = 1.0
    if arg.runlocal:
        config.objectives.mixed_views.update(hidden_width=128, output_width=32, depth=1, heads=2, mlp_dim=128)
    return config
