"""ALIGN (Jia et al., 2021, arXiv 2102.05918): convolutional images, bidirectional text, smoothed targets.

    python main.py --config=configs/align.py:model=efficientnet_b7
    python main.py --config=configs/align.py:runlocal

Label smoothing, the temperature's first value and the embedding's width are those of the public re-implementation
(Hugging Face's `align-base`, which is EfficientNet-B7 with BERT-Base); the optimiser's numbers, the sizes of images
and the number of steps are recalled and not verified. The paper trains with LAMB; here it is AdamW, with the same
numbers. Its sigma divides scores and is kept as it is, ours is a scale that multiplies them and is learned as its
logarithm. It projects texts only, to the width of the images' pooled output; here both towers have a projection. It
leaves out pairs by size, by how often an image or a text comes and by rare words, which is for the data to have seen
before, and has 100,000 wordpieces of its own, where CLIP's are taken here.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import CLIP_TOKENIZER, evaluate, parse_arg, shrink

METHODS = [
    {
        "paper": "ALIGN: Scaling Up Visual and Vision-Language "
        "Representation Learning With Noisy Text Supervision",
        "arxiv": "2102.05918",
        "family": "contrastive",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]

# By image tower: kind, size and the text tower. The paper's largest model is efficientnet_l2 beside BERT-Large.
TOWERS = {
    "resnet_r50": ("resnet", "R50", "B"),
    **{f"efficientnet_b{number}": ("efficientnet", f"B{number}", "B") for number in range(8)},
    "efficientnet_l2": ("efficientnet", "L2", "L"),
}


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="efficientnet_b7", resolution=289, runlocal=False)
    if arg.model not in TOWERS:
        raise ValueError(f"model={arg.model} is unknown: use one of {', '.join(TOWERS)}")
    kind, size, text_size = TOWERS[arg.model]

    config = base.get_config()
    config.name = f"align_{arg.model}_{arg.resolution}"
    config.batch_size = 16_384
    config.steps = 1_210_000  # unverified: 10 thousand of warm-up, then 1.2 million down to 0

    config.model.update(embed_dim=640, dtype="bfloat16", remat="dots")
    config.model.image.update(kind=kind, size=size, resolution=arg.resolution)
    config.model.text.update(size=text_size, causal=False, pool="first")
    config.model.logit_scale.init = 1.0
    config.tokenizer.update(CLIP_TOKENIZER, length=64)

    # The paper adds the two directions' losses: twice their mean.
    config.objectives.contrastive.update(weight=2.0, direction=0.5, label_smoothing=0.1)
    # Unverified: LAMB's learning rate and weight decay; it clips nothing.
    config.optimizer.update(learning_rate=1e-3, b1=0.9, b2=0.999, weight_decay=1e-5, clip_norm=0.0)
    config.optimizer.schedule.update(name="constant", warmup_steps=10_000, cooldown_steps=1_200_000)

    # Unverified: scaled to 346 pixels, of which training sees 289 anywhere; evaluation scales to 289.
    share = (289 / 346) ** 2
    config.data.image.update(crop_scale=(share, share), crop_ratio=(1.0, 1.0), flip=True, resize="squash")
    config.data.update(threads=16, workers=4)
    config.checkpoint.every = 5000
    evaluate(config, every=10_000)
    config.log.every = 100
    if arg.runlocal:
        shrink(config)
        config.optimizer.schedule.cooldown_steps = config.steps - config.optimizer.schedule.warmup_steps
    return config
