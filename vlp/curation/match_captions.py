"""GIST (Lewis et al., 2023, arXiv 2307.11315): the descriptions of an image's own class that are nearest to it.

A text is "species: caption", and the caption alone is compared, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from input_pipeline.curation import Decision, Item, Written
from input_pipeline.dice import Dice
from input_pipeline.labels import read_labels
from input_pipeline.views.class_names import label_name
from vlp.curation.embedded import EmbeddedStep, ranked


class MatchCaptions(EmbeddedStep):
    """Writes descriptions of a record's class, those that are nearest to its image first."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"score": "float32", "candidates": "int32"}
    reads = ("label",)
    writes = True

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Reads the descriptions."""
        super().__init__(config, name=name, seed=seed)
        self._descriptions = read_labels(config["descriptions"])
        self._dice = Dice(seed)

    def texts(self) -> Sequence[str]:
        """Returns all descriptions, each once."""
        return list(dict.fromkeys(text for own in self._descriptions.values() for text in own))

    def __call__(self, item: Item) -> Decision:
        """Ranks the descriptions of the record's class, or shuffles them."""
        label, image = item.record.label, self.image_of(item)
        own = self._descriptions.get(label, [])
        if not own:
            return Decision("no description of its label" if label else "no label", label)
        if image is None:
            return self.without_image(item)
        scores = self.scored(image, own)
        order = ranked(scores)
        if self.config["choice"] == "random":
            self._dice.roll(item.key, f"curation/{self.name}").shuffle(order)
        best, name = order[: self.config["top"]], label_name(self.config["labels"], label) or label
        template = self.config["template"]
        texts = tuple(template.replace("{caption}", text).replace("{name}", name) for text in best)
        figures = {"score": scores[best[0]], "candidates": len(scores)}
        return Decision(
            scores=figures, written=Written(texts, self.config["kind_written"], self.by, template)
        )

    def facts(self) -> Mapping[str, Any]:
        """Returns how many classes and descriptions there are."""
        return {
            "classes": len(self._descriptions),
            "descriptions": sum(map(len, self._descriptions.values())),
        }
