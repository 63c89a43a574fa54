"""A list of who made what, and under which licence, as PASS comes with (Asano et al., 2021, arXiv 2109.13228)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from input_pipeline.curation.step import Decision, Item, Step
from input_pipeline.curation.where import fields_of, values_of

_PARTS = ("license", "creator")


class Attribution(Step):
    """Drops records that do not say what they have to, and writes a line for every one that is kept."""

    COLUMNS: ClassVar[Mapping[str, str]] = dict.fromkeys(_PARTS, "string")
    FILE = "ATTRIBUTION.tsv"

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Reads what says who made it, and nothing else."""
        super().__init__(config, name=name, seed=seed)
        self.reads = tuple(field for part in _PARTS for field in fields_of(config[part]))

    def __call__(self, item: Item) -> Decision:
        """Reads licence and creator."""
        said = {part: ", ".join(map(str, values_of(item, self.config[part]))) for part in _PARTS}
        for part in _PARTS:
            if not said[part] and self.config[f"need_{part}"]:
                return Decision(f"no {part}", f"'{self.config[part]}' is empty", said)
        return Decision(scores=said)

    def line(self, identifier: str, scores: Mapping[str, Any]) -> str:
        """Returns id, licence and creator between tabs."""
        return "\t".join(" ".join(text.split()) for text in (identifier, *(scores[part] for part in _PARTS)))
