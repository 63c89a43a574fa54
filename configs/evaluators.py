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
            "captions": "",  # parquet, jsonl or txt files; the nearest have a say in the posterior; '' = none
            "column": "captions",
            "nearest": 10,  # captions of an image
            "alpha": 0.7,  # share of the image in the posterior; the rest is its captions'
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
        **_open_set(),
    }


def _open_set() -> dict[str, dict[str, Any]]:
    return {
        "multi_label": {
            "every": 0,
            "final": False,
            "sets": ("val_vendor",),
            "templates": "plain",
            "prefix_token": "",
            "min_images": 5,  # tags of fewer images are left out
            "verified": "",  # table of id, label, confidence; '' = what is no tag of an image is not there
            "hierarchy": "",  # JSON tree of LabelName and Subcategory; '' = none
            "names": "",  # csv of label and name; '' = labels are names
        },
        "vocabulary_free": _category_search(),
        "vocabulary_free_regions": {
            **_category_search(),
            "collages": 50,  # 2 x 2 labelled images each
            "grids": (2, 4, 8),  # cuts of a collage's side; each divides the largest
        },
        "dense": {
            "every": 0,
            "final": False,
            "sets": ("val_vendor",),
            "templates": "simple",
            "labels": "category",
            "prefix_token": "",
            "collages": 200,  # 2 x 2 labelled images each
            "enlarge": False,  # collages of twice the model's resolution instead of images of half
        },
        "features": {
            "every": 0,
            "final": False,
            "sets": ("test",),
            "train_sets": ("val",),  # one for each of sets, or one for all
            "validation_sets": (),  # likewise, to choose penalties on; () = a fifth of the training set
            "parts": ("linear_probe", "knn", "svm", "few_shot", "tags"),
            "neighbours": 20,
            "temperature": 0.07,  # of the neighbours' votes
            "svm_penalty": 1.0,  # 1 / C
            "ridge_penalty": 1.0,  # of the few-shot classifier
            "shots": (1, 5, 10),
        },
        "clusters": {
            "every": 0,
            "final": False,
            "sets": ("test",),
            "iterations": 100,  # of k-means, at most
        },
        "geometry": {"every": 0, "final": False, "sets": ("test",)},
    }


def _category_search() -> dict[str, Any]:
    return {
        "every": 0,
        "final": False,
        "sets": ("val_vendor",),
        "captions": "",  # parquet, jsonl or txt files that names are searched in
        "column": "captions",  # of parquet, or key of JSON lines
        "nearest": 10,  # captions an image is named from
        "alpha": 0.7,  # share of the image in a name's score; the rest is its captions'
        "scale": 1 / 0.07,  # of cosines in both softmaxes
        "templates": "plain",
        "labels": "category",
        "judge": "",  # checkpoint whose text tower compares names by meaning; '' = the evaluated model's own
    }
