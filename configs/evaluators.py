"""Every evaluator's settings with their defaults, all of them off; a part of base.py."""

from __future__ import annotations

from typing import Any


def evaluators() -> dict[str, dict[str, Any]]:
    """By name. `every` is a period in steps (0 = never during training), `final` = once after the last step,
    `sets` are names in data.evaluation."""
    return {
        "zero_shot": {
            "every": 0,
            "final": False,
            "sets": ("val_vendor",),
            "templates": "simple",  # a prompt set; '' = descriptions alone
            "labels": "category",
            "prefix_token": "",  # one of tokenizer.prefix_tokens, before every prompt
            "descriptions": "",  # JSON of sentences by class, as --job=describe writes it; '' = none
            "pooling": "embedding",  # of a class's texts; or "score", "probability"
            "rule": "argmax",  # or "frechet", the candidate nearest to all by `metric`
            "metric": "",  # between labels: "paths" of categories, "names", a file of edges; '' = none
        },
        "class_means": {
            "every": 0,
            "final": False,
            "sets": ("val_vendor",),
            "learned": "train",  # evaluation set that the means are made of
            "tasks": 10,  # parts that the classes come in
            "seed": 0,  # of the order in which classes come
        },
        "retrieval": {
            "every": 0,
            "final": False,
            "sets": ("val",),
            "k": (1, 5, 10),
            "prefix_token": "",
            "folds": 1,  # also the mean over that many parts of consecutive images (COCO's 1K is 5); 1 = only the whole
            "languages": (),  # also in each of these, with the gap to English: ("de", "fr")
        },
        "image_retrieval": {
            "every": 0,
            "final": False,
            "sets": ("val_vendor",),
            "relevant": "label",  # or "group": what an image shares with those it asks for
        },
        "composed_retrieval": {
            "every": 0,
            "final": False,
            "sets": ("val_vendor",),
            "k": (1, 5, 10, 50),
            "queries": "",  # a file as of CIRR or FashionIQ; '' = made of labels and tags
            "rule": "sum",  # or "slerp"
            "text_weight": 0.5,  # the rest is the image's
            "prefix_token": "",
        },
    }
