"""TIPS (Maninis et al., 2024, arXiv 2410.16512): noisy and synthetic captions, a class token each, and hidden patches.

    python main.py --config=configs/tips.py:model=vit_b14,resolution=224
    python main.py --config=configs/tips.py:runlocal

The first class token is contrasted with a caption as it was found, a second one (`contrastive.token=1`, a register)
with a synthetic caption, both by the same text tower; crops and hidden patches are held to a teacher. TIPSv2
(2604.12012) has patches that are not hidden count as well (iBOT++), and a teacher of the head alone on the student's
own tower. Published: the two tokens, the half of either contrast, weights 1 and 2 of crops and patches, the three
changes of TIPSv2. Not verified: momentum, temperatures and prototypes (DINO's), how many crops and patches, steps,
batch and rate (CLIP's).

Captions are told apart by their kinds: give those of a model a kind of their own, by a source's column or by
`captions_by_id` (docs/data.md), and name both in `data.text.kinds` and `data.text_views.synthetic`. In the bundled
drawings titles stand for what was found, and lists of words for what a model wrote.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg

METHODS = [
    {
        "paper": "TIPS: Text-Image Pretraining with Spatial awareness",
        "arxiv": "2410.16512",
        "family": "hybrid",
        "check": "tests/objectives/test_contrastive.py::test_a_second_token_of_an_image_meets_texts_of_its_own",
    },
    {
        "paper": "TIPSv2: Advancing Vision-Language Pretraining with Enhanced Patch-Text Alignment",
        "arxiv": "2604.12012",
        "family": "hybrid",
        "flags": "--config.objectives.masked_distillation.patches=all "
        "--config.objectives.masked_distillation.teacher=head",
        "check": "tests/objectives/test_masked.py::test_the_head_alone_has_a_teacher_where_it_is_asked_for",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b14", resolution=224, runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("clip", "tips")
    config.model.image.registers = 1
    config.data.text.kinds = "title=1"
    config.data.text_views = {"synthetic": {"kinds": "keywords=1"}}
    objectives = config.objectives
    objectives.contrastive.weight = 0.5
    objectives.synthetic = {"kind": "contrastive", "weight": 0.5, "text_view": "synthetic", "token": 1}
    objectives.masked_distillation.update(
        weight=1.0, patch_weight=2.0, koleo_weight=0.0, masked_views=1.0, centring="sinkhorn"
    )
    patch = config.model.image.patch_size
    config.data.image_views = {
        "global_crops": {"count": 1, "crop_scale": (0.4, 1.0), "flip": True},
        "local_crops": {"count": 6, "resolution": 7 * patch, "crop_scale": (0.05, 0.4), "flip": True},
    }
    if arg.runlocal:
        objectives.masked_distillation.update(hidden_width=64, bottleneck_width=16, prototypes=128)
        config.data.image_views.local_crops.update(count=2, resolution=2 * patch)
    return config
