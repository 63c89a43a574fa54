"""The entity of a gazetteer that a record's text mentions and its image is nearest to: MOFI."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count

CLASS = "vlp.curation.entities:Entities"

SETTINGS = {
    "embeddings": Setting("", "folder of --job=embed; '' = curate.embeddings"),
    "gazetteer": Setting(
        "runs/descriptions.json",
        "of {name, aliases, description} a line, or JSON of sentences by name, as --job=describe writes it",
    ),
    "kinds": Setting((), "of captions that are read; () = all"),
    "template": Setting("{name}, {description}", "of an entity, to be compared and to be written"),
    "choice": Setting(
        "nearest",
        "of the candidates: nearest to the image, or the first of the longest names",
        choices=("nearest", "first"),
    ),
    "threshold": Setting(0.2, "lowest cosine of an entity that is taken", at_least=-1, at_most=1),
    "least": count(1, "records of an entity; the paper has 5"),
    "kind_written": Setting("entity", "of the captions that are written"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that the template names the entity."""
    if "{name}" not in entry.template:
        raise ValueError(f"{where}.template={entry.template!r} has no {{name}}")
