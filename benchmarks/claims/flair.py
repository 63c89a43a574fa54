"""Images pooled by each text, beside a sigmoid contrast of whole ones."""

from benchmarks.claims import Claim, on, train

VIEWS = "--config.data.text_views={'captions': {'count': 2}}"
SIGMOID = (
    "--config.model.image.patch_dropout=0",
    "--config.objectives.contrastive.kernel=sigmoid",
    "--config.model.logit_bias.learn=true",
)
CLAIM = Claim(
    title="FLAIR: images pooled by texts",
    arxiv="2412.03561",
    says="a text that pools the image for itself finds details that a global embedding does not keep",
    arms={
        "SigLIP": train(*SIGMOID),
        "SigLIP + FLAIR": train(
            *SIGMOID,
            VIEWS,
            *on("text_pooling", heads=4),
            "--config.evaluators.zero_shot.scorer=text_pooling/scorer",
        ),
    },
)
