"""Which drawings make a bag of 16 positive: pseudo-labels of instances, or the bag's label copied to each."""

from pathlib import Path

from benchmarks.claims import SET, Claim, Figure, train

TAG = "flag"


def within(folder: Path) -> float | None:
    """Returns the area under the ROC curve of the classifier of images, over the drawings of the bags."""
    return _area(folder, "train")


def beyond(folder: Path) -> float | None:
    """Returns the same, over drawings of no bag."""
    return _area(folder, "test")


def _area(folder: Path, name: str) -> float | None:
    import vlp
    from input_pipeline.evaluation_set import load_evaluation_set

    if not (folder / "checkpoints").exists():
        return None
    from sklearn.metrics import roc_auc_score

    model = vlp.load(folder)
    entry = {"format": "parquet", "path": f"data/quickstart/{name}.parquet"}
    data = load_evaluation_set(entry, model.preprocessing)
    scores = model.scorer("instance_labels/classifier").score(data.images, [TAG])[:, 0]
    return float(roc_auc_score([TAG in tags for tags in data.tags], scores))


CLAIM = Claim(
    title="INS: instances of bags",
    arxiv="2307.02249",
    says="pseudo-labels by prototypes and a contrast of what is predicted alike find the instances of positive bags",
    arms={
        name: train(
            "--config.batch_size=64",
            f"--config.evaluators.image_retrieval.sets={SET}",
            *flags,
            config="configs/ins.py:runlocal",
        )
        for name, flags in {
            "the bag's label, halved": ("--config.objectives.instance_labels.warmup_steps=100000",),
            "pseudo-labels alone": ("--config.objectives.instance_labels.contrast_weight=0",),
            "INS": (),
        }.items()
    },
    # Of the 400 drawings of val_vendor four show a flag, of these 135 and 17.
    figures={
        "instances of the bags, area under ROC": Figure(within, 0.5),
        "others, area under ROC": Figure(beyond, 0.5),
    },
)
