"""Yes or no of pictures under attack, by the size of the change."""

from benchmarks.claims import Claim, Figure, Step, train
from benchmarks.claims._claim import COLUMNS
from benchmarks.claims._labels import ALONE

SETS = {
    split: {"path": f"data/quickstart/{split}.parquet", "columns": {**COLUMNS, "extras": "vendor"}}
    for split in ("val", "test")
}


def attacked(budget: float) -> Step:
    """Returns a run that ends with faces looked for among drawings, which are changed by at most a budget."""
    asked = (
        "final=true",
        "sets=test",
        "train_sets=val",
        "positive=smileys*,people*",
        "slices=vendor",
        "attacked=200",
    )
    flags = (f"--config.evaluators.detector.{one}" for one in (*asked, f"budget={budget}"))
    return train(f"--config.data.evaluation={SETS!r}", *ALONE[1:], *flags)


CLAIM = Claim(
    title="UnsafeBench: detectors under attack",
    arxiv="2405.03486",
    says="F1 differs by where images are from, and falls under FGSM and PGD within a hundredth of the range",
    arms={f"budget {budget}": attacked(budget) for budget in (0.001, 0.004, 0.01)},
    figures={
        "as they are": Figure("detector/test/attack_none/f1"),
        "noise": Figure("detector/test/attack_noise/f1"),
        "FGSM": Figure("detector/test/attack_fgsm/f1"),
        "PGD": Figure("detector/test/attack_pgd/f1"),
        "of Noto": Figure("detector/test/vendor=noto/f1"),
        "of Openclipart": Figure("detector/test/vendor=openclipart/f1"),
    },
)
