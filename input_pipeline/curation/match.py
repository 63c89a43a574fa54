"""MetaCLIP's first step (Xu et al., 2023, arXiv 2309.16671, section 3.2): the entries that each text contains.

Of several languages each has its own entries (MetaCLIP 2, Chuang et al., 2025, arXiv 2507.22062).
"""

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
    read_entries_by_language,
)
from input_pipeline.curation.step import Decision, Item, Step
from input_pipeline.curation.where import fields_of, values_of
from input_pipeline.errors import UserError
from input_pipeline.tables import hash64

MATCHED = (
    "matched"  # the note: for each text that was read, the numbers of its entries among those of its language
)
LANGUAGES = "languages"  # the note: the language of each of these texts; not there where all are one
OTHER = "other"  # texts of no language, and of those that have no entries


class Match(Step):
    """Drops records of which no text contains an entry."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"entries": "int32"}

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Reads the entries, where a file has them."""
        super().__init__(config, name=name, seed=seed)
        self.surveys = not config["entries"]
        of = config["language"]
        self.reads = ("captions", *(() if of == "caption" else fields_of(of)))
        self.entries: dict[str, Entries] = {}
        if config["entries"] and config["language"]:
            self.entries = read_entries_by_language(config["entries"])
        elif config["entries"]:
            self.entries = {"": read_entries(config["entries"])}
        self._matchers: dict[str, Matcher] = {}

    def given(self) -> Any:
        """Returns a digest of the entries."""
        said = [f"{language}\n" + "\n".join(one.texts) for language, one in sorted(self.entries.items())]
        return f"{hash64(chr(0).join(said)):016x}"

    def survey(self, items: Sequence[Item]) -> Any:
        """Counts words and pairs of words, language by language."""
        texts: dict[str, list[str]] = {}
        for item in items:
            for language, text in self._texts(item):
                texts.setdefault(language, []).append(text)
        return {language: count_words(own) for language, own in sorted(texts.items())}

    def settle(self, surveys: Iterator[Any]) -> Any:
        """Makes entries of them."""
        counts: dict[str, dict[str, Counter[str]]] = {}
        for survey in surveys:
            for language, own in survey.items():
                there = counts.setdefault(language, {"words": Counter(), "pairs": Counter()})
                for name, some in own.items():
                    there[name].update(some)
        least, information = self.config["least"], self.config["information"]
        found = {
            language: entries_of_counts(**own, least=least, information=information).texts
            for language, own in sorted(counts.items())
        }
        if not any(found.values()):
            raise UserError(
                f"{self.name}: no word occurs {least} times in the captions: make least smaller, or name a file of "
                "entries"
            )
        return {language: texts for language, texts in found.items() if texts}

    def begin(self, plan: Any) -> None:
        """Takes the entries that were found."""
        if plan is not None:
            self.entries = {language: Entries(tuple(texts)) for language, texts in plan.items()}
        self._matchers = {
            language: Matcher(one.texts, self.config["spacing"]) for language, one in self.entries.items()
        }

    def __call__(self, item: Item) -> Decision:
        """Notes the entries of each text."""
        texts = [(self._listed(language), text) for language, text in self._texts(item)]
        matched = [self._matchers[own](text) if own in self._matchers else [] for own, text in texts]
        count = _different([own for own, _ in texts], matched)
        if not count:
            said = "; ".join(text for _, text in texts)
            return Decision("no entry" if texts else "no text", said, {"entries": 0})
        notes: dict[str, Any] = {MATCHED: matched}
        if self.config["language"]:
            notes[LANGUAGES] = [language for language, _ in texts]
        return Decision(scores={"entries": count}, notes=notes)

    def facts(self) -> Mapping[str, Any]:
        """Returns how many entries there are, and what was left out of their files."""
        found, spacing = {}, self.config["spacing"]
        for language, entries in self.entries.items():
            found[language] = {
                "entries": len(entries.texts),
                "blank_lines": entries.blank,
                "repeated_lines": entries.repeated,
                "unreachable": entries.unreachable(spacing),
            }
        return found if self.config["language"] else found.get("", {})

    def files(self) -> Mapping[str, str]:
        """Returns the entries that were found, to use again: a file, or a folder with one for each language."""
        if not self.surveys:
            return {}
        texts = {language: "\n".join([*one.texts, ""]) for language, one in self.entries.items()}
        if not self.config["language"]:
            return {f"{self.name}_entries.txt": texts[""]}
        return {f"{self.name}_entries/{language}.txt": text for language, text in texts.items()}

    def _listed(self, language: str) -> str:
        return language if language in self.entries else OTHER

    def _texts(self, item: Item) -> list[tuple[str, str]]:
        """The texts that are read, with their languages."""
        kinds, of = self.config["kinds"], self.config["language"]
        own = "-".join(map(str, values_of(item, of))) if of not in ("", "caption") else ""
        return [
            (_language(caption.language if of == "caption" else own) if of else "", caption.text)
            for caption in item.record.captions
            if not kinds or caption.kind in kinds
        ]


def _different(languages: Sequence[str], matched: Sequence[Sequence[int]]) -> int:
    """How many entries there are, those of several texts once."""
    if len(matched) == 1:
        return len(matched[0])
    return len({(own, one) for own, some in zip(languages, matched, strict=True) for one in some})


def _language(said: str) -> str:
    """A language as the name of a file."""
    return "".join(letter if letter.isalnum() else "-" for letter in said) or OTHER
