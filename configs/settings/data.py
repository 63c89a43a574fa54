"""What is read, and what a batch shows of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from configs.settings.setting import Setting, count, natural, not_negative, positive_share, share

# An entry of `data.sources` or `data.evaluation`.
SOURCE = {
    "format": Setting(
        "",
        "parquet, array_record, webdataset, tfds, folder, csv, jsonl, coco, known or others; '' = guessed",
    ),
    "path": Setting("", "file, folder, pattern or address"),
    "weight": not_negative(1.0, "share in the mixture, relative to the others'"),
    "columns": {},
    "image_folder": Setting(
        "",
        "where paths of images start, and what they may not leave; '' = the folder of the file with the paths",
    ),
    "captions_by_id": Setting(
        "", "texts.jsonl of {id, texts, kind, by, prompt}, shown before a record's own captions; '' = none"
    ),
    "regions_by_id": Setting(
        "", "regions.jsonl of {id, box, text}, and perhaps label and tags, with boxes in [0, 1]; '' = none"
    ),
    "fraction": positive_share(1.0, "of the records; smaller shares lie within larger ones"),
    "keep_ids": Setting("", "file of the ids to keep: text with one a line, or parquet with a column `id`"),
    "only": Setting(
        "",
        "NAME=VALUE|VALUE: records that say so, by source, label, group or one of columns.extras; '' = all",
    ),
    "keep_probability": Setting(
        "",
        "parquet of `id` and how likely a record is to be in an epoch, as --job=curate writes; '' = all are",
    ),
    "keep_column": Setting("balance_probability", "of that table"),
    "keep_labels": Setting("", "file of the labels to keep, as --job=labels writes it; '' = all"),
    "shots": natural(0, "records of each label, the first of a random order; 0 = all"),
    "shots_seed": natural(0, "of that order, the same for every run's seed"),
    "templates": Setting((), "of texts for its labels; () = those of data.text"),
    "labels": Setting("", "rule from its labels to the names in them; '' = that of data.text"),
    "prefix": Setting("", "a text before its captions"),
    "prefix_token": Setting("", "one of tokenizer.prefix_tokens, before its captions"),
}

# An entry of `data.texts`: texts that are the same at every step, for objectives that name them.
TEXTS = {
    "path": Setting(
        "", "labels as JSON, text or parquet, or JSON of sentences by label; '' = the labels of a source"
    ),
    "source": Setting("", "whose labels; '' = the only one with a weight"),
    "column": Setting("", "of labels in parquet; '' = `label`"),
    "labels": Setting("category", "rule from labels to names, as in evaluators.zero_shot"),
    "templates": Setting(
        ("{}",), "that each name is written into, before its sentences; () = sentences alone"
    ),
    "prefix_token": Setting("", "one of tokenizer.prefix_tokens, before every text"),
}

# An entry of `data.labels`: numbers of a record's labels, and which of all there are.
LABELS = {
    "path": Setting(
        "",
        "file of the labels, as --job=labels writes it: a label's place is its number; '' = those of a source, sorted",
    ),
    "source": Setting("", "whose labels; '' = the only one with a weight"),
    "column": Setting("", "of labels in parquet; '' = `label`"),
    "of": Setting(
        "tags",
        "what of a record is looked up; words = those of its captions, branch = its label up to the first /",
        choices=("tags", "label", "branch", "group", "words"),
    ),
    "most": count(16, "labels of a record as numbers, NAME_ids"),
    "verified": Setting("", "table of id, label, confidence; '' = what is no label of a record is not there"),
    "hierarchy": Setting("", "JSON tree of LabelName and Subcategory; '' = none"),
    "noise": share(0.0, "of a record's labels that are others instead, any of the file's: planted mistakes"),
    "noise_seed": natural(0, "of these mistakes, the same for every run's seed"),
}

IMAGE = {
    "crop_scale": Setting((0.5, 1.0), "area of a training crop, as a share of the image"),
    "crop_ratio": Setting((3 / 4, 4 / 3), "width of a training crop, relative to its height"),
    "flip": Setting(False, "left and right, half of the time"),
    # All off; when on, each rolls its own dice. input_pipeline/views/augmentations.py says what they do.
    "affine": Setting((0.0, 0.0, 1.0, 1.0), "degrees, share of a side, smallest and largest scale"),
    "color_jitter": Setting((0.0, 0.0, 0.0, 0.0), "brightness, contrast, saturation, hue"),
    "color_jitter_probability": share(0.8, "of that"),
    "grayscale": share(0.0, "probability"),
    "blur": share(0.0, "probability"),
    "blur_sigma": Setting((0.1, 2.0), "of the blur, in pixels"),
    "solarize": share(0.0, "probability"),
    "rand_augment": Setting((0, 9), "operations a picture, magnitude from 0 to 30"),
    "resize": Setting("pad", "how an image becomes a square", choices=("squash", "crop", "pad")),
    "budgets": Setting(
        (),
        "of patches, of which each batch draws one within model.image.patches, for kind 'naflex'; () = that",
    ),
    "mean": Setting((0.5, 0.5, 0.5), "of red, green and blue in [0, 1]"),
    "std": Setting((0.5, 0.5, 0.5), "of red, green and blue in [0, 1]"),
}

TEXT = {
    "choice": Setting("uniform", "of a record's captions", choices=("first", "uniform")),
    "languages": Setting(("", "en"), "'' = language unknown; () = all"),
    # "name=share,...", relative to what a record has; '*' is any other name, '' = they do not matter.
    "kinds": Setting("", "shares of kinds of captions, as 'title=0.7,sentence=0.3'"),
    "language_choice": Setting("", "shares of languages, as 'en=0.5,*=0.5', or 'uniform'"),
    "sentences": Setting(False, "show one sentence of a caption, not all of it"),
    "label_share": share(0.0, "how often a label is shown although there is a caption"),
    "templates": Setting((), "of texts for labels, as ('a photo of a {}.',) or a .json file; () = none"),
    "labels": Setting(
        "category", "rule from labels to names: category, verbatim, a table such as imagenet, or a .json file"
    ),
    "descriptions": Setting(
        "", "JSON of sentences by label, one of which follows a template; '' = none; see --job=describe"
    ),
    "skip_words": natural(0, "of a sentence, that say the label's name again"),
    "name_dropped": share(0.0, "how often a sentence stands without the label's name, which is 'it' there"),
}

# What a view may say in the place of `data.image` or `data.text`, and beside it.
VIEWS = {
    "image_views": {
        **{name: setting for name, setting in IMAGE.items() if name not in ("mean", "std", "budgets")},
        "count": count(1, "crops of an image"),
        "resolution": natural(0, "in pixels; 0 = model.image.resolution"),
    },
    "text_views": {
        **TEXT,
        "count": count(1, "captions of a record"),
        "foils": Setting(
            "", "wrong texts instead, of what `text` shows: swap, replace, confusable, several with + between"
        ),
        "confusable": Setting("", "JSON of texts about what a label is mistaken for; see --job=describe"),
    },
}

SETTINGS = {
    "image": IMAGE,
    "text": TEXT,
    "regions": {"most": count(4, "of an image, the first that a crop still shows")},
    "sampler": {
        "kind": Setting(
            "",
            "'' = records by their sources' weights; classes = `each` records of a label, and batch_size / `each` "
            "labels a batch; bags = rows of `each` records of a label",
            choices=("", "classes", "bags"),
        ),
        "of": Setting("label", "what keeps records together", choices=("label", "group")),
        "each": count(4, "records of a label in a row"),
    },
    "variants": natural(
        0,
        "fixed views of an image, of which each visit shows one, as embed.views stores them; 0 = a new one each visit",
    ),
    # Folders of --job=embed: the rows of held towers, which then are not run. Images are as evaluation sees them.
    "stored": {
        "image": Setting("", "embeddings of the images, in parquet; '' = the tower is run"),
        "text": Setting("", "the same of captions"),
        "project": Setting(
            False, "the rows are of towers without projections; the run's own are trained on them"
        ),
    },
    "single_source_batches": Setting(False, "every global batch is of one source, drawn by weight"),
    "workers": natural(0, "processes beside this one"),
    "threads": count(2, "that load, in each process"),
    "prefetch": count(4, "batches"),
    "cache_gb": not_negative(
        0.0, "of a host for shards in buckets, which are streamed then; 0 = fetched whole"
    ),
    "window": count(2048, "records of a streamed source that are shuffled together"),
    "lanes": natural(
        0, "of rows of the batch, a multiple of the hosts; 0 = the most up to 64 that divide it"
    ),
    "max_bad_share": share(0.05, "of unreadable records, above which training stops"),
    "watchdog_seconds": natural(120, "without a batch, after which the loader's state is printed; 0 = never"),
    "watchdog_reports": count(10, "of them in a row stop the run"),
}

# Groups of the user's own names, each of them with what an entry is.
ENTRIES = {
    "sources": "a group with a `path`",
    "evaluation": "a group with a `path`",
    "image_views": "{'count': 2, 'resolution': 0, and what differs from data.image}",
    "text_views": "{'count': 2, and what differs from data.text}",
    "texts": "{'path': labels, or sentences by label}",
    "labels": "{'path': labels, 'of': 'tags'}",
    "tables": "{'path': parquet files with columns `id` and NAME, 'missing': 'skip' or 'fill', 'of': '' or 'image', "
    "'text' or a text view, of which the values are, 'checkpoint': whose embeddings they are}",
}


def check(data: Any, config: Any, where: str) -> None:
    """Statistics, crops and augmentations are what they say, and batches can be laid out."""
    _check_sampler(data, config, where)
    image, where = data.image, f"{where}.image"
    for name in ("mean", "std"):
        values = image[name]
        if (
            len(values) != 3
            or not 0 <= min(values) <= max(values) <= 1
            or (name == "std" and not min(values))
        ):
            limit = "three positive numbers" if name == "std" else "three numbers"
            bytes_ = "; divide those of bytes by 255" if values and max(values) > 1 else ""
            raise ValueError(
                f"{where}.{name}={values} must be {limit}, for red, green and blue in [0, 1]{bytes_}"
            )
    _check_crops(image, where)
    _check_augmentations(image, where)
    _check_budgets(image.budgets, config.model.image.patches, where)
    for name, view in data.image_views.items():  # which say what differs
        whole, where = SimpleNamespace(**{**image, **view}), f"data.image_views.{name}"
        _check_crops(whole, where)
        _check_augmentations(whole, where)


def _check_crops(image: Any, where: str) -> None:
    for name, high in (("crop_scale", 1.0), ("crop_ratio", float("inf"))):
        span = getattr(image, name)
        if len(span) != 2 or not 0 < span[0] <= span[1] <= high:
            limit = "0 < low <= high" + (" <= 1" if high == 1 else "")
            raise ValueError(f"{where}.{name}={span} must be two numbers (low, high) with {limit}")


def _check_budgets(budgets: Any, most: int, where: str) -> None:
    """Some lie beyond a stage of shorter ones, but not all of them."""
    whole = all(type(one) is int and one > 0 for one in budgets)
    if budgets and not (whole and min(budgets) <= most):
        limit = f"some within model.image.patches={most}" if most else "for a tower of kind 'naflex' alone"
        raise ValueError(f"{where}.budgets={budgets} must be whole numbers of patches, {limit}")


def _check_sampler(data: Any, config: Any, where: str) -> None:
    sampler, where = data.sampler, f"{where}.sampler"
    if sampler.kind and data.single_source_batches:
        raise ValueError(
            f"{where}.kind='{sampler.kind}' puts labels together, not sources: set data.single_source_batches=False"
        )
    if sampler.kind == "classes" and config.batch_size % sampler.each:
        raise ValueError(
            f"{where}.each={sampler.each} does not divide batch_size={config.batch_size}: a batch has "
            "batch_size / each labels, each of so many records"
        )


def _check_augmentations(image: Any, where: str) -> None:
    strengths = image.color_jitter
    if len(strengths) != 4 or min(strengths) < 0 or strengths[3] > 0.5:
        raise ValueError(
            f"{where}.color_jitter={strengths} must be four strengths of at least 0 (brightness, contrast, "
            "saturation, hue), the hue's at most 0.5; SimCLR has (0.8, 0.8, 0.8, 0.2)"
        )
    moves, sigma = image.affine, image.blur_sigma
    if len(moves) != 4 or min(moves[:2]) < 0 or moves[1] > 1 or not 0 < moves[2] <= moves[3]:
        raise ValueError(
            f"{where}.affine={moves} must be (degrees, shift, smallest, largest) with degrees of at least 0, a shift "
            "from 0 to 1 and 0 < smallest <= largest; ConVIRT has (20, 0.1, 0.95, 1.05)"
        )
    if len(sigma) != 2 or not 0 < sigma[0] <= sigma[1]:
        raise ValueError(f"{where}.blur_sigma={sigma} must be two numbers (low, high) with 0 < low <= high")
    if len(image.rand_augment) != 2 or image.rand_augment[0] < 0 or not 0 <= image.rand_augment[1] <= 30:
        raise ValueError(
            f"{where}.rand_augment={image.rand_augment} must be (operations, magnitude) with at least 0 "
            "operations and a magnitude from 0 to 30, such as (2, 9)"
        )
