"""Choose which images to have labelled next: by a model's doubts, balanced over classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

import vlp
from input_pipeline.dice import Dice
from input_pipeline.evaluation_set import load_evaluation_set
from input_pipeline.labels import read_labels
from input_pipeline.subsets import read_ids
from input_pipeline.views.class_names import naming_rule
from input_pipeline.whole_files import write_whole
from vlp.active.balance import balanced
from vlp.active.uncertainty import CHOOSERS, Pool
from vlp.configuration import ConfigError
from vlp.jobs import JobOptions
from vlp.jobs._sources import asked_sources
from vlp.runs.startup import configuring, use_compilation_cache

NEEDS = ()  # with --source, the config's own sources need not be there
TAKES = ("checkpoint", "source")
WRITES = ("file",)
READS_MODEL = True
METHODS = [
    {
        "paper": "PCB: Active Prompt Learning in Vision Language Models",
        "arxiv": "2311.11178",
        "family": "data",
        "before": ("--config=configs/quickstart.py:runlocal --workdir=runs/methods/pcb_start",),
        "flags": "--checkpoint=runs/methods/pcb_start --config.select.budget=20 --output=runs/methods/pcb.txt "
        "--config.data.sources.quickstart.path=data/quickstart/val.parquet",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def run(options: JobOptions) -> int:
    """Writes the ids of what is bought already and of what to buy now, for `keep_ids` of the next run's source.

    Raises:
      ConfigError: no checkpoint or output, several sources, ids of other data, or a pool below the budget.
    """
    settings, output = options.config.select, Path(options.output)
    if not options.checkpoint or not options.output:
        raise ConfigError("--job=select needs --checkpoint=PATH and --output=FILE, which keep_ids can name")
    use_compilation_cache()
    with configuring():
        model = vlp.load(options.checkpoint)
        (entry,) = _only(asked_sources(options)).values()
        pool = load_evaluation_set(
            entry, model.preprocessing, max_bad_share=options.config.data.max_bad_share
        )
        bought = read_ids(settings.bought) if settings.bought else frozenset()
        classes = list(read_labels(settings.classes)) if settings.classes else sorted({*pool.labels} - {""})
        if unknown := sorted(bought - {*pool.ids}):
            raise ConfigError(
                f"select.bought: '{unknown[0]}' is the id of no image of the pool: it is of other data"
            )
        chosen = choose(model, pool, classes, bought, settings)
    write_whole(output, "".join(f"{name}\n" for name in [*sorted(bought), *chosen]).encode())
    print(f"{output}: {len(chosen)} ids to have labelled, behind {len(bought)} that are")
    return 0


def choose(model: Any, pool: Any, classes: list[str], bought: frozenset[str], settings: Any) -> list[str]:
    """Returns the ids to buy, in the order in which they were chosen.

    Raises:
      ConfigError: there are fewer images left than the budget.
    """
    there = np.array([name in bought for name in pool.ids], bool)
    budget = settings.budget or len(classes)
    free = np.flatnonzero(~there)
    if budget > len(free):
        raise ConfigError(
            f"select.budget={budget}: of {len(there)} images {len(free)} are left to choose from; lower it"
        )
    features = np.asarray(model.encode_image_array(pool.images), np.float64)
    probabilities = _probabilities(model, features, classes)
    dice = Dice(settings.seed).roll(len(bought), f"select/{settings.by}")
    known = Pool(probabilities[free], features[free], features[there])
    if not settings.balance or settings.by == "random":
        return [pool.ids[free[place]] for place in CHOOSERS[settings.by](known, budget, dice)]
    candidates = CHOOSERS[settings.by](known, max(budget, round(settings.candidates * len(there))), dice)
    place_of = {label: place for place, label in enumerate(classes)}
    labels = [place_of[pool.labels[at]] for at in np.flatnonzero(there) if pool.labels[at] in place_of]
    counts = np.bincount(np.array(labels, int), minlength=len(classes))
    picks = balanced(known.probabilities.argmax(axis=1)[candidates], counts, budget, dice)
    return [pool.ids[free[candidates[place]]] for place in picks.places]


def _probabilities(
    model: Any, features: Float[np.ndarray, "n dim"], classes: list[str]
) -> Float[np.ndarray, "n classes"]:
    """The softmax of the model over the classes' names."""
    template = "{}." if model.has_context else "a photo of a {}."
    names = [template.replace("{}", name) for name in naming_rule("category")(classes)]
    logits = model.logit_scale * features @ model.encode_text(names).astype(np.float64).T
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _only(sources: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    if len(sources) != 1:
        raise ConfigError(
            f"--job=select chooses from one source, not from {', '.join(sources)}: give one a weight"
        )
    return sources
