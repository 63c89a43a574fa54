"""Tuned on sentences of classes, where those of one class are no negatives, or each sentence has its image alone."""

from benchmarks.claims import Claim, Step, job, train

DESCRIBED = job("describe", "--output={folder}/descriptions.json")
START = train(seed=0)


def tuned(targets: str) -> Step:
    """Returns the model tuned with a rule of what matches, at a rate that moves so small a model."""
    return train(
        "--config.checkpoint.start={start}",
        "--config.data.text.descriptions={described}/descriptions.json",
        f"--config.objectives.contrastive.targets={targets}",
        "--config.optimizer.learning_rate=1e-4",
        "--config.optimizer.learning_rate_rules=attention/(qkv|out)/ = 0; mlp/down/ = 0; temperature$ = 100",
        config="configs/adaptclipzs.py:runlocal",
        start=START,
        described=DESCRIBED,
    )


CLAIM = Claim(
    title="AdaptCLIPZS: sentences about classes",
    arxiv="2401.02460",
    says="tuned on sentences of some classes, zero-shot classification of others is 4 to 5 points better",
    arms={"not tuned": START, "its own sentence matches": tuned("pair"), "its class's match": tuned("label")},
)
