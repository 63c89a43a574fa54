"""Pairs of the same identity as matches, by cross-entropy or by the divergence that PLIP has, with its other tasks."""

from benchmarks.claims import FIGURES, SET, Claim, Figure, on, train

OFF = "--config.objectives.contrastive.weight=0"
GROUP = (
    "--config.evaluators.image_retrieval.final=true",
    f"--config.evaluators.image_retrieval.sets=('{SET}',)",
)
TAGS = (
    "--config.data.texts={'attributes': {'path': 'data/quickstart/tables/tags.json', 'labels': 'verbatim'}}"
)

CLAIM = Claim(
    title="PLIP: identities, colours, attributes",
    arxiv="2305.08386",
    says="matching whoever is the same is better than matching pairs, and colours and attributes add to it",
    arms={
        "pairs": train(*GROUP),
        "identities, cross-entropy": train("--config.objectives.contrastive.targets=group", *GROUP),
        "identities, CMPM": train(OFF, *on("identities"), *GROUP),
        "and colours and attributes": train(
            *(OFF, TAGS, *on("identities"), *on("colours", 0.1), *on("attribute_words", 0.1, heads=2)), *GROUP
        ),
    },
    figures={**FIGURES, "same category, mAP": Figure(f"image_retrieval/{SET}/mean_average_precision")},
)
