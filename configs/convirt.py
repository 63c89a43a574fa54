"""ConVIRT (Zhang et al., 2020, arXiv 2010.00747): one sentence of a report, a fixed temperature, two MLP heads.

    python main.py --config=configs/convirt.py:model=vit_s16,resolution=224
    python main.py --config=configs/convirt.py:runlocal

The weight 0.75 and the temperature 0.1 are the paper's; the optimiser's numbers and the augmentation are recalled and
not verified, and the paper's image tower is a ResNet-50, its text tower a pretrained clinical BERT.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "convirt")
    config.objectives.contrastive.direction = 0.75
    config.model.projection = "mlp"
    config.model.logit_scale.update(init=10.0, learn=False)  # temperature 0.1
    config.model.text.update(causal=False, pool="mean")
    config.optimizer.update(learning_rate=1e-4, weight_decay=1e-6)
    config.data.image.update(crop_scale=(0.6, 1.0), flip=True, color_jitter=(0.4, 0.4, 0.0, 0.0), blur=0.5)
    config.data.text.sentences = True
    return config
