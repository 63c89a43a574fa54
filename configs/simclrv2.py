"""SimCLRv2 (Chen et al., 2020, arXiv 2006.10029): contrast, fine-tuning on a tenth of the labels, distillation on all.

    python main.py --config=configs/simclrv2.py:runlocal --workdir=runs/contrast
    python main.py --config=configs/simclrv2.py:runlocal,stage=tune,start=runs/contrast --workdir=runs/tune
    python main.py --config=configs/simclrv2.py:runlocal,stage=distil,teacher=runs/tune --workdir=runs/distil

The head has three layers in the contrast, of which fine-tuning keeps the first: it is the image tower's projection, a
linear layer and a ReLU, and what the classifier stands on. The released loss is the sum over both views, twice the mean
that others have, so its weight is 2. The paper's towers are ResNets of up to 152 layers, its batch 4096, its optimiser
LARS; rates here are AdamW's and not the paper's. `labels=0.1` is the share of the records whose labels are read.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, quickstart
from configs.common import evaluate_images, parse_arg

METHODS = [
    {
        "paper": "SimCLRv2: Big Self-Supervised Models are Strong Semi-Supervised Learners",
        "arxiv": "2006.10029",
        "family": "distillation",
        "before": (
            "--config=configs/simclrv2.py:runlocal --workdir=runs/methods/simclrv2_contrast",
            "--config=configs/simclrv2.py:runlocal,stage=tune,start=runs/methods/simclrv2_contrast"
            " --workdir=runs/methods/simclrv2_tune",
        ),
        "argument": "runlocal,stage=distil,teacher=runs/methods/simclrv2_tune",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]
QUICKSTART_CLASSES = 172
STRONG = {
    "count": 2,
    "crop_scale": (0.08, 1.0),
    "flip": True,
    "color_jitter": (0.8, 0.8, 0.8, 0.2),
    "grayscale": 0.2,
    "blur": 0.5,
}


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(
        argument,
        model="vit_b16",
        resolution=224,
        stage=("contrast", "tune", "distil"),
        start="",
        teacher="",
        labels=0.1,
        classes=1000,
        runlocal=False,
    )
    size = f"model={arg.model},resolution={arg.resolution}"
    config = quickstart.get_config("runlocal") if arg.runlocal else clip.get_config(size)
    config.name = f"simclrv2_{arg.stage}"
    config.update(batch_size=4096, steps={"contrast": 250_000, "tune": 2_000, "distil": 125_000}[arg.stage])
    config.model.image.update(projection="relu", patch_dropout=0.0)
    config.objectives.contrastive.weight = 0.0
    classes = QUICKSTART_CLASSES if arg.runlocal else arg.classes
    if arg.stage == "contrast":
        config.objectives.view_contrast.update(weight=2.0, features="embedding", last_bias=True)
        config.data.image_views = {"strong": STRONG}
    elif arg.stage == "tune":
        config.data.labels = {"classes": {"of": "label", "most": 1}}
        config.objectives.classification.update(
            weight=1.0, kernel="softmax", labels="classes_ids", classes=classes
        )
        sources = config.data.sources.to_dict()
        config.data.sources = {name: {**source, "fraction": arg.labels} for name, source in sources.items()}
        config.checkpoint.start = arg.start
    else:
        config.objectives.soft_labels.update(weight=1.0, classes=classes)
        teacher = {"checkpoint": arg.teacher, "dtype": "bfloat16", "parts": ("classification/classifier",)}
        config.frozen = {"teacher": teacher}
    evaluate_images(config, every=0)
    if arg.runlocal:
        config.update(steps=8, batch_size=32)
        config.objectives.view_contrast.update(hidden_width=128, output_width=32)
    return config
