"""Which caption one visit to a record shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from input_pipeline.records import BadRecord, Caption, Reason, Record

LANGUAGES = ("", "en")  # English, and captions of which no language is known
Choose = Callable[[list[Caption], np.random.Generator], str]


def _first(captions: list[Caption], dice: np.random.Generator) -> str:
    """The source's best caption, on every visit."""
    return captions[0].text


def _uniform(captions: list[Caption], dice: np.random.Generator) -> str:
    """Any caption, each equally likely, drawn anew on every visit."""
    return captions[int(dice.integers(len(captions)))].text


# A rule is a function from the usable captions and this visit's dice to the text to show.
CHOICES: Mapping[str, Choose] = {"first": _first, "uniform": _uniform}


def spoken(record: Record, languages: tuple[str, ...]) -> list[Caption]:
    """A record's captions in some languages; () is all of them."""
    return [caption for caption in record.captions if not languages or caption.language in languages]


@dataclass(frozen=True)
class TextView:
    """Chooses one text of a record among those in `languages`; () is all of them."""

    choice: str = "uniform"
    languages: tuple[str, ...] = LANGUAGES

    def __post_init__(self) -> None:
        if self.choice not in CHOICES:
            raise ValueError(f"caption choice '{self.choice}' is not one of {', '.join(CHOICES)}")

    def __call__(self, record: Record, dice: np.random.Generator) -> str:
        return CHOICES[self.choice](self.usable(record), dice)

    def usable(self, record: Record) -> list[Caption]:
        """The captions to choose from.

        Raises:
          BadRecord: there is none.
        """
        captions = spoken(record, self.languages)
        if not captions:
            wanted = f" in the languages {self.languages}" if self.languages else ""
            raise BadRecord(Reason.NO_CAPTION, f"record '{record.id}' has no caption{wanted}")
        return captions
