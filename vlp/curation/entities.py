"""MOFI (Wu et al., 2023, arXiv 2306.07952): the entity that an image shows, of those that its text mentions.

Candidates are entities of which the text has the name or an alias; the one whose name and description are nearest to
the image is taken, if it is near enough. The paper finds names by a model and in Wikidata; here they are a gazetteer's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from input_pipeline.curation import Decision, Item, Written
from input_pipeline.curation.gazetteer import Candidates, read_gazetteer
from input_pipeline.curation.text import texts_of
from vlp.curation.embedded import EmbeddedStep, ranked


class Entities(EmbeddedStep):
    """Gives each record an entity's number, and writes that one's name and description as a caption."""

    COLUMNS: ClassVar[Mapping[str, str]] = {
        "entity_id": "int32",
        "entity": "string",
        "score": "float32",
        "candidates": "int32",
    }
    reads = ("captions",)
    surveys = True
    writes = True

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Reads the gazetteer."""
        super().__init__(config, name=name, seed=seed)
        self._gazetteer = read_gazetteer(config["gazetteer"])
        self._entities = self._gazetteer.entities
        self._texts = [entity.text(config["template"]) for entity in self._entities]
        self._candidates: Candidates | None = None
        self._number: dict[int, int] = {}

    def texts(self) -> Sequence[str]:
        """Returns name and description of every entity."""
        return list(dict.fromkeys(self._texts))

    def survey(self, items: Sequence[Item]) -> Any:
        """Counts the records near enough to each entity."""
        chosen = (self._choice(item) for item in items)
        near = (one[0] for one in chosen if not isinstance(one, str) and one[1] >= self.config["threshold"])
        return sorted(Counter(near).items())

    def settle(self, surveys: Iterator[Any]) -> Any:
        """Finds the entities that have enough records, in the gazetteer's order: an entity's place is its number."""
        counts = Counter[int]()
        for survey in surveys:
            counts.update(dict(survey))
        return sorted(entity for entity, count in counts.items() if count >= self.config["least"])

    def begin(self, plan: Any) -> None:
        """Takes their numbers."""
        self._number = {entity: number for number, entity in enumerate(plan)}

    def __call__(self, item: Item) -> Decision:
        """Takes the nearest candidate, if it has a number."""
        chosen = self._choice(item)
        if isinstance(chosen, str):
            return Decision(chosen, "; ".join(texts_of(item.record, self.config["kinds"])))
        entity, score, candidates = chosen
        name = self._entities[entity].name
        figures = {"entity": name, "score": score, "candidates": candidates}
        if score < self.config["threshold"]:
            return Decision("no entity near enough", f"{name}: {score:.3f}", figures)
        if entity not in self._number:
            return Decision("rare entity", name, figures)
        written = Written(
            (self._texts[entity],), self.config["kind_written"], self.by, self.config["template"]
        )
        return Decision(scores={**figures, "entity_id": self._number[entity]}, written=written)

    def facts(self) -> Mapping[str, Any]:
        """Returns how many entities there are, and what was left out of their file."""
        return {
            "gazetteer": len(self._entities),
            "entities": len(self._number),
            "blank_lines": self._gazetteer.blank,
            "repeated_names": self._gazetteer.repeated,
        }

    def files(self) -> Mapping[str, str]:
        """Returns names with descriptions in the order of the numbers, for data.texts and class counts."""
        numbered = [self._entities[entity] for entity in self._number]
        content = {one.name: [one.description] if one.description else [] for one in numbered}
        return {f"{self.name}.json": json.dumps(content, ensure_ascii=False, indent=1) + "\n"}

    def _choice(self, item: Item) -> tuple[int, float, int] | str:
        """The entity, its cosine and how many candidates there were; or why there is none."""
        if self._candidates is None:
            self._candidates = Candidates(self._entities)
        found = [
            number
            for text in texts_of(item.record, self.config["kinds"])
            for number in self._candidates(text)
        ]
        image = self.image_of(item)
        if not found:
            return "no entity"
        if image is None:
            return self.without_image(item).reason
        scores = self.scored(image, [self._texts[number] for number in found])
        best = ranked(scores)[0] if self.config["choice"] == "nearest" else self._texts[found[0]]
        entity = next(number for number in found if self._texts[number] == best)
        return entity, scores[best], len({*found})
