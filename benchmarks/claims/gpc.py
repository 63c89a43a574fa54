"""Categories without labels: with the number of components that is given, or the one that splits and merges find."""

from benchmarks.claims import SET, Claim, Figure, train

FIGURE = f"clusters/{SET}/"

CLAIM = Claim(
    title="GPC: categories without labels",
    arxiv="2305.06144",
    says="finding the number of categories by splits and merges is better than clusters of a wrong number",
    arms={
        name: train(
            "--config.batch_size=64",
            f"--config.evaluators.clusters.sets={SET}",
            f"--config.evaluators.image_retrieval.sets={SET}",
            "--config.objectives.discovery.episode_size=1024",
            *flags,
            config="configs/gpc.py:runlocal",
        )
        for name, flags in {
            "without prototypes": ("--config.objectives.discovery.prototype_weight=0",),
            "prototypes, 40 components": ("--config.objectives.discovery.rounds=0",),
            "splits and merges": (),
        }.items()
    },
    figures={
        "matched accuracy": Figure(FIGURE + "matched_accuracy"),
        "adjusted Rand": Figure(FIGURE + "adjusted_rand", 0.0),
    },
)
