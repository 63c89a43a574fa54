"""ProtoCLIP (Chen et al., 2022, arXiv 2206.10996): CLIP beside prototypes that are found anew for every episode.

    python main.py --config=configs/protoclip.py:model=vit_b16,resolution=224
    python main.py --config=configs/protoclip.py:runlocal

Before an episode of 200,000 pairs their features are clustered in both modalities; the first episode trains CLIP
alone, as does the last, with the image tower frozen. A text teacher's embeddings are joined by id, as
`data.tables.teacher={"path": ...}` with `objectives.prototypes.teacher="teacher"`. The published CLIP baseline has
weaker augmentation than this, so compare with care.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip

METHODS = [
    {
        "paper": "ProtoCLIP: Prototypical Contrastive Language Image Pretraining",
        "arxiv": "2206.10996",
        "family": "clustering",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "protoclip", 1)
    small = clip.parse(argument).runlocal
    config.batch_size = 16 if small else 512
    config.objectives.prototypes.update(weight=1.0, last_bias=True)
    config.model.logit_scale.min = 1.0
    if small:
        config.steps = 12
        config.objectives.prototypes.update(episode_size=64, clusters=8, dim=16, head_width=32)
    else:
        config.objectives.prototypes.episode_size = 390 * 512  # about 200,000
        config.steps = 400 * 390
        config.optimizer.schedule.warmup_steps = 15_625
    last = config.steps - config.objectives.prototypes.episode_size // config.batch_size
    config.objectives.prototypes.stop_step = last
    config.optimizer.update(learning_rate=5e-4, weight_decay=0.5, clip_norm=10.0)
    config.optimizer.learning_rate_rules = f"^model/image(_projection)?/ = 1 until {last}"
    config.optimizer.weight_decay_rules = f"heads/ = 0; {config.optimizer.weight_decay_rules}"
    config.data.image.update(
        crop_scale=(0.5, 1.0), flip=True, color_jitter=(0.8, 0.8, 0.8, 0.2), color_jitter_probability=0.2
    )
    config.data.image.update(grayscale=0.2, blur=0.2)
    return config
