"""JEST: as many trained rows, drawn by what a reference has learned and the model has not, or as they come."""

from benchmarks.claims import Claim, train

_SIGLIP = (
    "--config.objectives.contrastive.kernel=sigmoid",
    "--config.model.logit_bias.learn=true",
    "--config.model.logit_bias.init=-10",
    "--config.model.logit_scale.init=10",
)
_REFERENCE = train(*_SIGLIP, seed=0, times=2)
_READ = (
    "--config.batch_size=256",
    "--config.selection.learnable.ratio=0.75",
    "--config.selection.learnable.chunks=8",
)

CLAIM = Claim(
    title="JEST beside rows as they come",
    arxiv="2406.17711",
    says="the same quality with up to 13 times fewer steps of training",
    arms={
        "SigLIP": train(*_SIGLIP),
        "JEST": train(
            *_SIGLIP,
            *_READ,
            "--config.frozen.reference={'checkpoint': '{reference}'}",
            "--config.selection.learnable.reference=reference",
            reference=_REFERENCE,
        ),
        "hardest, without a reference": train(*_SIGLIP, *_READ),
    },
)
