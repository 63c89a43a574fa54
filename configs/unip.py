"""UNIP (Zhang et al., 2025, arXiv 2502.02257): a small image tower that looks where a large one's middle layer looks.

    python main.py --config=configs/unip.py:teacher=WORKDIR,layer=17,heads=16
    python main.py --config=configs/unip.py:runlocal,teacher=WORKDIR

Attention alone is learned, that of the last block, which has the teacher's number of heads. The layer should be the
one between local and global attention: `information` of the logged metrics, 0 where all queries look at the same and 1
where each looks at itself, and `teacher_information` say where both are (the eighteenth of MAE-L's 24 in the paper;
they count from 0 here). The paper's images are infrared ones, of ImageNet and COCO, partly grey. Batch, rate and decay
are its; the teacher is any checkpoint with as many patches of an image.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images, parse_arg, shrink

METHODS = [
    {
        "paper": "UNIP: Rethinking Pre-trained Attention Patterns for Infrared Semantic Segmentation",
        "arxiv": "2502.02257",
        "family": "distillation",
        "before": ("--config=configs/clip.py:runlocal --workdir=runs/methods/unip_teacher",),
        "argument": "runlocal,teacher=runs/methods/unip_teacher,layer=-1",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    size = {"model": "vit_s16", "resolution": 224}
    arg = parse_arg(argument, **size, teacher="", layer=-2, heads=0, runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "unip")
    config.update(batch_size=4096, steps=54_000)
    config.model.image.last_heads = arg.heads
    if arg.teacher:
        config.objectives.contrastive.weight = 0.0
        config.objectives.attention_maps.update(weight=1.0, teacher_layer=arg.layer)
        config.frozen = {"teacher": {"checkpoint": arg.teacher, "dtype": "bfloat16"}}
    config.optimizer.update(learning_rate=2.4e-3, b2=0.95, weight_decay=0.05)
    config.data.image.update(grayscale=0.2, flip=True)
    evaluate_images(config, every=config.evaluators.retrieval.every)
    if arg.runlocal:
        shrink(config)
    return config
