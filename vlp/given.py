"""What stands beside every batch and is the same at every step: texts without a batch axis, and frozen models."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from flax import nnx
from jaxtyping import Array, PyTree, Shaped

from input_pipeline.errors import UserError

Value = TypeVar("Value")
# In the step's batch: a frozen model's variables, and the arrays of constant texts, under these and their name.
FROZEN, TEXTS = "frozen/", "texts/"
LABELS = "labels/"  # and the entries of `data.labels`, where both are named
PARTS = "parts"  # among a frozen model's variables: those of its parts, by 'entry/part'


class TextSizes(NamedTuple):
    """Says how many texts there are, of how many labels."""

    texts: int
    labels: int


class FrozenSizes(NamedTuple):
    """Widths of a frozen model: of its embeddings, and of its towers' outputs, 0 where it has no such tower."""

    embed_dim: int
    image_width: int
    text_width: int


class Known(dict[str, Value]):
    """Entries by name, of which a missing one is the user's mistake."""

    def __init__(
        self, group: str, example: str, entries: Mapping[str, Value] | Iterable[tuple[str, Value]] = ()
    ):
        super().__init__(entries)
        self._group, self._example = group, example

    def __missing__(self, name: str) -> Value:
        there = ", ".join(self) or "none"
        raise UserError(
            f"an active objective needs {self._group}.{name}, and there is {there}: add it, as "
            f'--config.{self._group}.{name}="{self._example}"'
        )


@dataclasses.dataclass(frozen=True)
class Context:
    """Holds what an objective can know of the world around it when it is built; plain numbers, kept in checkpoints.

    Attributes:
      texts: of each entry of `data.texts`.
      frozen: of each entry of `frozen`.
      labels: how many each entry of `data.labels` has.
      vocabulary_size: of the tokenizer.
      length: tokens of a text.
      names: the labels by their numbers, of each TEXTS + NAME and LABELS + NAME; known where a run starts alone.
    """

    texts: Mapping[str, TextSizes] = dataclasses.field(default_factory=lambda: _texts({}))
    frozen: Mapping[str, FrozenSizes] = dataclasses.field(default_factory=lambda: _frozen({}))
    labels: Mapping[str, int] = dataclasses.field(default_factory=lambda: _labels({}))
    vocabulary_size: int = 0
    length: int = 0
    names: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)

    def with_tokens(self, vocabulary_size: int, length: int) -> Context:
        """Returns the same context where texts are of such tokens; it is known of every run, and so not kept."""
        return dataclasses.replace(self, vocabulary_size=vocabulary_size, length=length)

    def asked_and_answered(self, texts: str, labels: str) -> int:
        """Returns how many labels there are, as texts that are asked and as what records answer.

        Raises:
          ValueError: they are not of the same number, or one has another number as a text than as an answer.
        """
        asked, answered = self.texts[texts].labels, self.labels[labels]
        if asked != answered:
            raise UserError(
                f"data.texts.{texts} has {asked} labels and data.labels.{labels} has {answered}: give both the same "
                "file"
            )
        ways = (self.names.get(TEXTS + texts, ()), self.names.get(LABELS + labels, ()))
        first, second = ({label: number for number, label in enumerate(own)} for own in ways)
        if moved := [label for label, number in first.items() if second.get(label, number) != number]:
            raise UserError(
                f"data.texts.{texts} numbers '{moved[0]}' {first[moved[0]]}, and data.labels.{labels} numbers it "
                f"{second[moved[0]]}: give both the same file, or files of one order"
            )
        return answered

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Turns the context into plain values, for JSON."""
        return {
            "labels": dict(self.labels),
            "texts": {name: list(sizes) for name, sizes in self.texts.items()},
            "frozen": {name: list(sizes) for name, sizes in self.frozen.items()},
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Mapping[str, Any]]) -> Context:
        """Makes a context of what `to_dict` gave; of a checkpoint that has none, {} will do."""
        texts, frozen = saved.get("texts", {}), saved.get("frozen", {})
        return cls(
            _texts({name: TextSizes(*sizes) for name, sizes in texts.items()}),
            _frozen({name: FrozenSizes(*sizes) for name, sizes in frozen.items()}),
            _labels(saved.get("labels", {})),
        )


def _texts(entries: Mapping[str, Value]) -> Known[Value]:
    return Known("data.texts", "{'path': 'labels.json'}", entries)


def _labels(entries: Mapping[str, Value]) -> Known[Value]:
    return Known("data.labels", "{'path': 'labels.json', 'of': 'tags'}", entries)


def _frozen(entries: Mapping[str, Value]) -> Known[Value]:
    return Known("frozen", "{'checkpoint': PATH}", entries)


@dataclasses.dataclass(frozen=True, eq=False)
class FrozenModel:
    """A model that is read and never trained. Its arrays are an input of the step, so that no checkpoint holds them.

    Attributes:
      name: of its entry in `frozen`.
      graphdef: structure of its towers.
      abstract: shapes and dtypes of its variables, as nested dicts.
      splits: how its variables want to lie, by path.
      sizes: its widths.
      mean: of pixel values in [0, 1], as it was trained with.
      std: likewise.
      parts: structures of what its objectives learned and this run reads, by 'entry/part'; their arrays stand in
        `abstract` beside the towers', as PARTS.
      shared: batch fields that it reads as they are; all others come in its own resolution or its own tokens, under
        `NAME/field`.
      config: `model` and `tokenizer` of it, and `data` with the views of the run, as it reads them.
    """

    name: str
    graphdef: nnx.GraphDef[Any]
    abstract: PyTree
    splits: Mapping[str, tuple[str | tuple[str, ...] | None, ...]]
    sizes: FrozenSizes
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shared: frozenset[str]
    config: Any
    parts: Mapping[str, nnx.GraphDef[Any]] = dataclasses.field(default_factory=dict)

    def merged(self, variables: Mapping[str, PyTree]) -> tuple[Any, dict[str, Any]]:
        """Returns its towers and its parts by 'entry/part', of their arrays."""
        parts: Any = variables.get(PARTS, {})
        towers = {name: branch for name, branch in variables.items() if name != PARTS}
        modules = {name: nnx.merge(graphdef, parts[name]) for name, graphdef in self.parts.items()}
        return nnx.merge(self.graphdef, towers), modules

    def batch(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a step's batch as this model sees it."""
        own = {name: value for name, value in batch.items() if name in self.shared}
        for name, value in batch.items():
            for front in ("", TEXTS):
                if name.startswith(f"{front}{self.name}/"):
                    own[front + name.removeprefix(f"{front}{self.name}/")] = value
        return Fields(self.name, own)


class Fields(dict[str, Any]):
    """Batch fields of a frozen model, of which a missing one was not asked for."""

    def __init__(self, model: str, fields: Mapping[str, Any]):
        super().__init__(fields)
        self._model = model

    def __missing__(self, name: str) -> Any:
        kind, own = ("constants", name.removeprefix(TEXTS)) if name.startswith(TEXTS) else ("fields", name)
        raise KeyError(
            f"name '{self._model}/{own}' among the objective's `{kind}`, for frozen.{self._model} to read"
        )


@dataclasses.dataclass(frozen=True)
class Given:
    """Holds what a run has beside its batches.

    Attributes:
      texts: arrays of constant texts by name: ids and mask [texts, length], label [texts] and first [labels]; and, as
        NAME/name, in the tokens of a frozen model.
      frozen: models by name.
      labels: how many there are of each entry of `data.labels`.
      names: see `Context`.
    """

    texts: Mapping[str, Mapping[str, Shaped[np.ndarray, ...]]] = dataclasses.field(default_factory=dict)
    frozen: Mapping[str, FrozenModel] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)

    @property
    def context(self) -> Context:
        """Returns what objectives may know of it."""
        sizes = {
            name: TextSizes(len(arrays["ids"]), len(arrays["first"]))
            for name, arrays in self.texts.items()
            if "/" not in name
        }
        frozen = _frozen({name: model.sizes for name, model in self.frozen.items()})
        return Context(_texts(sizes), frozen, _labels(self.labels), names=self.names)


class Asked(NamedTuple):
    """Holds what active objectives ask for.

    Attributes:
      fields: batch fields.
      texts: names of constant texts.
      frozen: names of frozen models.
    """

    fields: tuple[str, ...]
    texts: tuple[str, ...]
    frozen: tuple[str, ...]


def asked(fields: Iterable[str], constants: Iterable[str], frozen: Mapping[str, FrozenModel]) -> Asked:
    """Settles what names like 'teacher/image' mean: a field of its own, or one that the model shares.

    Args:
      fields: `Objective.fields` of all.
      constants: `Objective.constants` of all.
      frozen: models by name.

    Raises:
      ValueError: a model is to see what it has no tower for.
    """
    models, fields = _frozen(frozen), tuple(fields)
    own_fields: set[str] = set()
    texts: set[str] = set()
    used: set[str] = set()
    for names, settled, front in ((fields, own_fields, ""), (constants, texts, TEXTS)):
        for name in names:
            model, slash, plain = name.partition("/")
            if slash:
                used.add(model)
                masked = name.endswith("_mask") or f"{name}_mask" in fields
                _refuse_blind(models[model], "text" if front or masked else "image")
                settled.add(plain if front + plain in models[model].shared else name)
            else:
                settled.add(name)
    return Asked(*(tuple(sorted(names)) for names in (own_fields, texts, used)))


def _refuse_blind(model: FrozenModel, tower: str) -> None:
    if not getattr(model.sizes, f"{tower}_width"):
        raise UserError(
            f"frozen.{model.name} is to see {tower}s, and its checkpoint has no {tower} tower: nothing in the run that "
            f"trained it read {tower}s"
        )


def text_arrays(batch: Mapping[str, Any], name: str) -> Mapping[str, Array]:
    """Returns the arrays of constant texts in a step's batch."""
    return batch[TEXTS + name]
