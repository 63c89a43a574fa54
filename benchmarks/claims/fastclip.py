"""CLIP and FastCLIP at a batch of 16, where a batch is a poor sample of all pairs."""

from benchmarks.claims import Claim, Step, on, train

SMALL = ("--config.batch_size=16", "--config.objectives.contrastive.weight=0")


def remembered(rule: str, epochs: int, *flags: str) -> Step:
    """Returns CLIP with a memory of normalisers and a rule of the temperature."""
    return train(*SMALL, *on("global_contrast", records=3227, rule=rule, rate_epochs=epochs), *flags)


CLAIM = Claim(
    title="FastCLIP: a memory of normalisers",
    arxiv="2407.01445",
    says="rule v3 is better than OpenCLIP at batch 1024 (CC3M), and the better the smaller the batch",
    arms={
        "CLIP": train("--config.batch_size=16"),
        "SogCLR (v1)": remembered("v1", 0),
        "FastCLIP (v3)": remembered(
            "v3", 1, "--config.optimizer.learning_rate_rules=^model/logit_scale$ = 0.125"
        ),
    },
)
