"""Tags asked of patches by descriptions, of the whole image by their name, or by transport: those that are held out."""

from benchmarks.claims import SET, Claim, Figure, Step, on, train

SEEN = "data/quickstart/tables/seen_tags.json"
WORDS = ("{}", "a picture of {}", "clip art of {}")
SMALL = {"width": 64, "depth": 2, "heads": 4, "mlp_dim": 128, "chunk": 64}


def tagged(kind: str, templates: tuple[str, ...] = WORDS, **settings: object) -> Step:
    """Returns CLIP with three quarters of the tags asked, and all of them measured."""
    scorer = {"kind": "multi_label", "scorer": f"{kind}/scorer", "sets": (SET,), "final": True, "seen": SEEN}
    texts = {"tags": {"path": SEEN, "labels": "verbatim", "templates": templates}}
    return train(
        "--config.model.image.patch_dropout=0",
        *on(kind, **settings),
        f"--config.data.labels={ {'tags': {'path': SEEN, 'of': 'tags'}}!r}",
        f"--config.data.texts={texts!r}",
        f"--config.evaluators.tags={scorer!r}",
    )


CLAIM = Claim(
    title="RAM++ and PatchCT: tags asked of patches",
    arxiv="2310.15200",
    says="descriptions that each image weighs find tags that training never saw better than names do",
    arms={
        "CLIP + tags of whole images": tagged("tagging"),
        "CLIP + RAM++, one text a tag": tagged("described_tags", WORDS[:1], **SMALL),
        "CLIP + RAM++": tagged("described_tags", **SMALL),
        "CLIP + PatchCT": tagged("transport"),
    },
    figures={
        "held-out tags, mAP": Figure(f"tags/{SET}/mean_average_precision_unseen"),
        "trained tags, mAP": Figure(f"tags/{SET}/mean_average_precision_seen"),
    },
)
