"""SigLIP 2 (Tschannen et al., 2025, arXiv 2502.14786): sigmoid, a decoder, and self-distillation in the last fifth.

    python main.py --config=configs/siglip2.py:model=vit_b16,resolution=256
    python main.py --config=configs/siglip2.py:runlocal

SigLIP and a captioning decoder, alike in weight; after 80 % of the run local crops against a teacher's global crop
(SILC) and hidden patches against the teacher's (TIPS) besides. Until then these cost nothing but the teacher that
follows. Published: towers of one size for images and texts, the decoder with half of the text tower's depth, half of
the captions predicted all at once (Cappa), texts of 64 tokens, batch 32,768 for 40 billion pairs, warm-up of 20,000
steps, rate 1e-3, decay 1e-4, gradients clipped to 1, one global and eight local crops, half of the patches hidden,
weights 1 and 0.25 of crops and patches, both times 0.25 for B, 0.5 for L and 1 for So400m. Not verified: the teacher's
momentum, the temperatures and prototypes (DINO's), the crops' scales (SILC's, 2310.13355) and which patches are hidden
together. Not published either is the size of the local crops: 80 pixels here where DINO has 96, with which a step of a
B/16's run costs 1.60 times SigLIP's in the mean rather than 1.65 (docs/performance.md).

Not here: Gemma's vocabulary of 256,000 (name its model by `tokenizer.path`), referring expressions and captions of
regions beside those of whole images (LocCa), and the data. `captioning` reads the text that the contrast reads.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import siglip
from configs.common import parse_arg
from configs.settings.towers import transformer

METHODS = [
    {
        "paper": "SigLIP 2: Multilingual Vision-Language Encoders with Improved Semantic Understanding, Localization, "
        "and Dense Features",
        "arxiv": "2502.14786",
        "family": "hybrid",
        "check": "tests/objectives/test_weights.py::"
        "test_what_is_not_there_is_not_computed_and_its_teacher_follows",
    },
]

# By image tower: width, the decoder's depth, and the weight of what the last fifth adds.
SIZES = {"Ti": (192, 6, 0.25), "S": (384, 6, 0.25), "B": (768, 6, 0.25), "L": (1024, 12, 0.5)}
SIZES |= {"So400m": (1152, 13, 1.0), "H": (1280, 16, 0.5)}


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=256, runlocal=False)
    config = siglip.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("siglip", "siglip2")
    width, depth, weight = SIZES[config.model.image.size or "S"]
    objectives = config.objectives
    objectives.captioning.update(
        weight=1.0, size=config.model.image.size, depth=depth, start=True, parallel=0.5
    )
    objectives.masked_distillation.update(
        weight=weight,
        patch_weight=0.25,
        koleo_weight=0.0,
        masked_views=1.0,
        lowest_share=0.5,
        highest_share=0.5,
        blocks=False,
    )
    objectives.masked_distillation.schedule.begin = 0.8
    patch = config.model.image.patch_size
    config.data.image_views = {
        "global_crops": {"count": 1, "crop_scale": (0.4, 1.0), "flip": True},
        "local_crops": {"count": 8, "resolution": 5 * patch, "crop_scale": (0.05, 0.4), "flip": True},
    }
    if arg.runlocal:
        objectives.captioning.update(transformer.TINY)
        objectives.masked_distillation.update(hidden_width=64, bottleneck_width=16, prototypes=128)
        config.data.image_views.local_crops.update(count=2, resolution=2 * patch)
        return config
    config.update(batch_size=32_768, steps=1_220_703)
    config.model.embed_dim = width
    config.model.text.update(
        size=config.model.image.size, **dict.fromkeys(("width", "depth", "heads", "mlp_dim"), 0)
    )
    config.optimizer.schedule.warmup_steps = 20_000
    return config
