"""What a step of a curation is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from input_pipeline.records import FIELDS, Caption, Record
from input_pipeline.tables import hash64


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """Holds a record on its way through the steps.

    Attributes:
      number: its place among all records of all sources.
      source: the name of its source.
      record: as the source has it.
      notes: what earlier steps found out about it, as plain JSON.
    """

    number: int
    source: str
    record: Record
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> int:
        """Returns 64 bits that are the record's own, for random numbers that depend on nothing else."""
        return hash64(f"{self.source}\0{self.record.id}")


@dataclasses.dataclass(frozen=True)
class Written:
    """Holds captions that a step wrote: a line of `texts.jsonl`.

    Attributes:
      texts: the best first; () = it wrote none, which later steps and training see as the record's own alone.
      kind: tells them from other captions, for `data.text.kinds`.
      by: what wrote them, such as a template or the name of a language model.
      prompt: what it was asked, or the template.
    """

    texts: tuple[str, ...]
    kind: str
    by: str
    prompt: str = ""

    @property
    def captions(self) -> tuple[Caption, ...]:
        """Returns the texts as captions of a record."""
        return tuple(Caption(text, self.kind) for text in self.texts)


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """Says what becomes of a record, after a step.

    Attributes:
      reason: why it is dropped, in a word or two; '' = it stays.
      detail: of this record, for the examples in the report.
      scores: values for the step's COLUMNS, by name.
      notes: for later steps, as plain JSON.
      written: captions for later steps, and for training.
    """

    reason: str = ""
    detail: str = ""
    scores: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    written: Written | None = None


class Step:
    """Decides about records one by one, if need be after a look at all of them.

    What it decides is a function of its settings, the seed, the record and the plan. With `surveys`, all records that
    earlier steps left are surveyed slice by slice, `settle` makes a plan of that, and every process begins with it.
    """

    SETTINGS: ClassVar[Mapping[str, Any]] = {}
    COLUMNS: ClassVar[
        Mapping[str, str]
    ] = {}  # of the side table, called ENTRY_NAME, with the names of arrow types
    FILE = ""  # a file with a line for every record that is kept in the end; '' = none

    surveys = False
    reads: Sequence[str] = FIELDS  # of a record, beside its id: a pass reads what its steps do, and no more
    writes = False  # captions: those of records that are kept in the end go into texts.jsonl

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Reads what the settings name.

        Raises:
          ValueError: a file that is not there or not what it should be.
        """
        self.config, self.name, self.seed = config, name, seed

    def given(self) -> Any:
        """Returns, as JSON, what it read from files: a curation goes on only with the same."""
        return None

    def texts(self) -> Sequence[str]:
        """Returns texts of its own that it needs embeddings of: --job=embed encodes them."""
        return ()

    def check_fits(self, source: str, ids: Sequence[str]) -> None:
        """Looks whether what it read from files belongs to a source.

        Args:
          source: its name.
          ids: of some of its records in use.

        Raises:
          ValueError: nothing there is about any of them.
        """

    def survey(self, items: Sequence[Item]) -> Any:
        """Returns what a slice of the records adds to the plan, as plain JSON."""
        raise NotImplementedError(f"{type(self).__name__} surveys nothing")

    def settle(self, surveys: Iterator[Any]) -> Any:
        """Makes the plan, plain JSON, of the surveys of all slices in order."""
        raise NotImplementedError(f"{type(self).__name__} surveys nothing")

    def begin(self, plan: Any) -> None:
        """Takes the plan, None where nothing was surveyed, before the first decision."""

    def __call__(self, item: Item) -> Decision:
        """Decides about a record."""
        raise NotImplementedError(f"{type(self).__name__} decides nothing")

    def facts(self) -> Mapping[str, Any]:
        """Returns what is worth knowing of its files and its plan, for the report."""
        return {}

    def files(self) -> Mapping[str, str]:
        """Returns texts to leave beside the report, by the names of their files."""
        return {}

    def line(self, identifier: str, scores: Mapping[str, Any]) -> str:
        """Returns the line of FILE for a record that is kept."""
        raise NotImplementedError(f"{type(self).__name__} writes no {self.FILE}")
