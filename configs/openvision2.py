"""OpenVision 2 (Liu et al., 2025, arXiv 2509.01644): an image tower and a decoder of captions, without a text tower.

    python main.py --config=configs/openvision2.py:model=vit_l16,resolution=224
    python main.py --config=configs/openvision2.py:runlocal

The tower sees all patches, and the decoder about a third of them, others each time. Released: 35 % of the patches,
texts of 128 tokens, batch 32,768, 2,000 epochs of ImageNet's size with 20 of warm-up, rate 1.024e-3, b2 0.95, decay
0.2, crops of at least 40 % of the area, colour jitter of 0.4 and greys. It trains at 84 or 112 pixels first, which
`stages.resolution` does; its captions are synthetic (ReCap-DataComp-1B v2). Not as released: that decoder takes patches
and words as one sequence, ours attends to the patches, and is as large as the tower; the tokenizer is CLIP's, not
BERT's.

Cap and Cappa (2306.07915) show the decoder all patches: `captioning.parallel` is the share of captions of which all
words are predicted at once, 0.75 in that paper.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images, parse_arg, shrink
from configs.settings.towers import transformer

METHODS = [
    {
        "paper": "OpenVision 2: A Family of Generative Pretrained Visual Encoders for Multimodal Learning",
        "arxiv": "2509.01644",
        "family": "hybrid",
        "check": "tests/objectives/test_captioning.py::test_alone_it_reads_no_text_tower",
    },
    {
        "paper": "CapPa: Image Captioners Are Scalable Vision Learners Too",
        "arxiv": "2306.07915",
        "family": "hybrid",
        "flags": "--config.objectives.captioning.parallel=0.75 --config.objectives.captioning.seen=1",
        "check": "tests/models/test_text_decoder.py::"
        "test_texts_that_are_predicted_at_once_are_not_seen_and_written_alike",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_l16", resolution=224, runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "openvision2")
    config.update(batch_size=32_768, steps=78_197)
    config.model.image.update(position="sincos2d", pool="mean")
    config.tokenizer.length = 128
    config.objectives.contrastive.weight = 0.0
    config.objectives.captioning.update(weight=1.0, size=config.model.image.size, seen=0.35)
    config.optimizer.update(learning_rate=1.024e-3, b2=0.95, weight_decay=0.2)
    config.optimizer.schedule.warmup_steps = 782
    config.data.image.update(
        crop_scale=(0.4, 1.0),
        color_jitter=(0.4, 0.4, 0.4, 0.1),
        grayscale=0.2,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    evaluate_images(config, every=config.evaluators.retrieval.every)
    config.evaluators.captioning.update(final=True, sets=config.evaluators.image_retrieval.sets[:1])
    if arg.runlocal:
        shrink(config)
        config.objectives.captioning.update(transformer.TINY)
        config.evaluators.captioning.final = False
    return config
