"""MetaCLIP's first step (Xu et al., 2023, arXiv 2309.16671, section 3.2): the entries that each text contains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from input_pipeline.curation.entries import (
    Entries,
    Matcher,
    count_words,
    entries_of_counts,
    read_entries,
)
from input_pipeline.curation.step import Decision, Item, Step
from input_pipeline.curation.text import texts_of
from input_pipeline.errors import UserError
from input_pipeline.tables import hash64

MATCHED = "matched"  # the note: for each text that was read, the numbers of its entries


class Match(Step):
    """Drops records of which no text contains an entry."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"entries": "int32"}

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Reads the entries, where a file has them."""
        super().__init__(config, name=name, seed=seed)
        self.surveys = not config["entries"]
        self.entries = read_entries(config["entries"]) if config["entries"] else Entries(())
        self._matcher: Matcher | None = None

    def given(self) -> Any:
        """Returns a digest of the entries."""
        return f"{hash64(chr(10).join(self.entries.texts)):016x}"

    def survey(self, items: Sequence[Item]) -> Any:
        """Counts words and pairs of words."""
        return count_words([text for item in items for text in texts_of(item.record, self.config["kinds"])])

    def settle(self, surveys: Iterator[Any]) -> Any:
        """Makes entries of them."""
        words, pairs = Counter[str](), Counter[str]()
        for survey in surveys:
            words.update(survey["words"])
            pairs.update(survey["pairs"])
        found = entries_of_counts(words, pairs, self.config["least"], self.config["information"])
        if not found.texts:
            raise UserError(
                f"{self.name}: no word occurs {self.config['least']} times in the captions: make least smaller, "
                "or name a file of entries"
            )
        return found.texts

    def begin(self, plan: Any) -> None:
        """Takes the entries that were found."""
        if plan is not None:
            self.entries = Entries(tuple(plan))
        self._matcher = Matcher(self.entries.texts)

    def __call__(self, item: Item) -> Decision:
        """Notes the entries of each text."""
        assert self._matcher is not None, "begin comes first"
        texts = texts_of(item.record, self.config["kinds"])
        matched = [self._matcher(text) for text in texts]
        count = len({entry for own in matched for entry in own})
        if not count:
            return Decision("no entry" if texts else "no text", "; ".join(texts), {"entries": 0})
        return Decision(scores={"entries": count}, notes={MATCHED: matched})

    def facts(self) -> Mapping[str, Any]:
        """Returns how many entries there are, and what was left out of their file."""
        entries = self.entries
        return {
            "entries": len(entries.texts),
            "blank_lines": entries.blank,
            "repeated_lines": entries.repeated,
            "unreachable": entries.unreachable,
        }

    def files(self) -> Mapping[str, str]:
        """Returns the entries that were found, to use again."""
        return {f"{self.name}_entries.txt": "\n".join([*self.entries.texts, ""])} if self.surveys else {}
