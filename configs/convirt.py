"""ConVIRT (Zhang et al., 2020, arXiv 2010.00747): one sentence of a report, a fixed temperature, two MLP heads.

    python main.py --config=configs/convirt.py:model=vit_s16,resolution=224
    python main.py --config=configs/convirt.py:runlocal

The weight 0.75, the temperature 0.1 and the batch of 32 are the paper's, as are the augmentations: crops of 0.6 to 1
of the image, affine maps, brightness and contrast, a blur of 0.1 to 3 pixels. How often the blur comes, and the 200
epochs of 217 thousand reports, are recalled and not verified. Its learning rate falls by half when the loss on
held-out data stands still. Here a rate is a function of the step alone, which a resumed run and a replayed step find
again without an evaluation, and evaluators give figures, not losses: it is constant. Its image tower is a ResNet-50,
its text tower a pretrained clinical BERT, whose outputs it pools by their maximum, as here.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip

METHODS = [
    {
        "paper": "ConVIRT: Contrastive Learning of Medical Visual Representations from Paired Images and Text",
        "arxiv": "2010.00747",
        "family": "contrastive",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "convirt")
    if not clip.parse(argument).runlocal:
        config.update(batch_size=32, steps=200 * 217_000 // 32)
    config.objectives.contrastive.direction = 0.75
    config.model.projection = "mlp"
    config.model.logit_scale.update(init=10.0, learn=False)  # temperature 0.1
    config.model.text.update(causal=False, pool="max")
    config.optimizer.update(learning_rate=1e-4, weight_decay=1e-6)
    config.optimizer.schedule.update(name="constant", warmup_steps=0)
    config.data.image.update(crop_scale=(0.6, 1.0), flip=True, affine=(20.0, 0.1, 0.95, 1.05))
    config.data.image.update(color_jitter=(0.4, 0.4, 0.0, 0.0), color_jitter_probability=1.0)
    config.data.image.update(blur=0.5, blur_sigma=(0.1, 3.0))
    config.data.text.sentences = True
    return config
