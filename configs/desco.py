"""DesCo (Li et al., 2023, arXiv 2306.14060): descriptions without names, beside what is easily mistaken for them.

    python main.py --job=describe --output=runs/descriptions.json
    python main.py --job=describe --config.describe.confusable=3 --output=runs/confusable.json
    python main.py --config=configs/desco.py:runlocal,descriptions=runs/descriptions.json

CLIP on captions and, half of the time, on a sentence about the class, which stands without the class's name half of
the time: what tells it are its attributes then. With `confusable=runs/confusable.json`,
classes that are easily mistaken for it are columns of the image's own, else captions that a rule makes wrong.
The paper grounds such texts in regions of a detector, which is not here. Sentences and confusions are the template
backend's, out of tags; a language model's come in the same files.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg, quickstart_source

METHODS = [
    {
        "paper": "DesCo: Learning Object Recognition with Rich Language Descriptions",
        "arxiv": "2306.14060",
        "family": "contrastive",
        "before": (
            "--job=describe --output=runs/methods/desco_descriptions.json",
            "--job=describe --config.describe.confusable=3 --output=runs/methods/confusable.json",
        ),
        "argument": "runlocal,descriptions=runs/methods/desco_descriptions.json,"
        "confusable=runs/methods/confusable.json",
        "check": "tests/input_pipeline/test_foils.py::test_a_name_that_is_dropped_is_in_no_text",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, descriptions="", confusable="", runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("clip", "desco")
    config.data.sources = {"quickstart": quickstart_source("train")}
    config.data.text.update(descriptions=arg.descriptions, name_dropped=0.5 if arg.descriptions else 0.0)
    config.data.text.label_share = 0.5 if arg.descriptions else 0.0
    config.data.sources.quickstart.templates = ("{}:",) if arg.descriptions else ()
    view = {"count": 3, "foils": "replace+swap"}
    if arg.confusable:
        view = {"count": 3, "foils": "confusable", "confusable": arg.confusable}
    config.data.text_views = {"foils": view}
    config.objectives.contrastive.weight = 0.0
    config.objectives.hard_negatives.update(weight=1.0, columns="own", targets="label")
    foiled(config)
    return config


def foiled(config: ConfigDict) -> None:
    """Measures on captions that differ in a word, too."""
    sets = tuple(config.evaluators.retrieval.sets)
    config.evaluators.compositional.update(every=config.evaluators.retrieval.every, final=True, sets=sets)
