"""Names left out and confusable classes as an image's own columns: what becomes of captions that differ in a word."""

from benchmarks.claims import FIGURES, SET, Claim, Figure, Step, job, train

DESCRIPTIONS = job("describe", "--output={folder}/descriptions.json")
CONFUSABLE = job("describe", "--output={folder}/confusable.json", "--config.describe.confusable=3")


def described(*flags: str, foils: bool) -> Step:
    """Returns CLIP with sentences about classes among its captions, with or without foils."""
    weights = ("hard_negatives.weight=1", "contrastive.weight=0") if foils else ("contrastive.targets=label",)
    view = "{'foils': {'count': 3, 'foils': 'confusable', 'confusable': '{confusable}/confusable.json'}}"
    return train(
        "--config.data.text.descriptions={descriptions}/descriptions.json",
        "--config.data.text.label_share=0.5",
        "--config.data.text.templates=('{}:',)",
        *(f"--config.objectives.{weight}" for weight in weights),
        *(
            (f"--config.data.text_views={view}", "--config.objectives.hard_negatives.targets=label")
            if foils
            else ()
        ),
        "--config.evaluators.compositional.final=true",
        *flags,
        descriptions=DESCRIPTIONS,
        **({"confusable": CONFUSABLE} if foils else {}),
    )


CLAIM = Claim(
    title="DesCo: descriptions and confusable classes",
    arxiv="2306.14060",
    says="leaving out names and asking among confusable classes makes a model read attributes, and costs no recall",
    arms={
        "CLIP with descriptions": described(foils=False),
        "names left out half of the time": described("--config.data.text.name_dropped=0.5", foils=False),
        "and confusable classes": described("--config.data.text.name_dropped=0.5", foils=True),
    },
    figures={"captions that differ in a word": Figure(f"compositional/{SET}/accuracy", 0.5), **FIGURES},
)
