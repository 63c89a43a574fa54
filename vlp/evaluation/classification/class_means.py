"""Classification by the nearest class mean of frozen features, with classes that arrive task by task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from input_pipeline.errors import UserError
from vlp.evaluation.exhibits import Exhibit, Table
from vlp.evaluation.figures import chance_within, mean_per_class, share_within
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.texts.class_names import labelled_classes, left_out_remarks
from vlp.neighbours.ranks import best_ranks

# Sums are kept in whole multiples of 2**-36, so that they do not depend on the order of their terms: exact to 7e-12
# for entries of unit rows, and without overflow up to 2**27 rows a class.
STEP = 2.0**-36


class StreamingMeans:
    """Running means of the rows of each class: the same, to the last bit, in whatever order the rows come.

    "A Simple Baseline that Questions the Use of Pretrained-Models in Continual Learning", arXiv 2210.04428: means of
    unit rows, which are not normalised again.
    """

    def __init__(self, classes: int, dim: int) -> None:
        """Knows nothing of any class."""
        self._sums = np.zeros((classes, dim), np.int64)
        self._counts = np.zeros(classes, np.int64)

    def update(self, rows: Float[np.ndarray, "n dim"], classes: Int[np.ndarray, " n"]) -> None:
        """Learns rows with entries in [-1, 1]."""
        np.add.at(self._sums, classes, np.rint(rows.astype(np.float64) / STEP).astype(np.int64))
        np.add.at(self._counts, classes, 1)

    @property
    def seen(self) -> Int64[np.ndarray, " seen"]:
        """The classes that have a mean."""
        return np.flatnonzero(self._counts)

    @property
    def means(self) -> Float64[np.ndarray, "seen dim"]:
        """The means of the seen classes, in their order."""
        return self._sums[self.seen] * STEP / self._counts[self.seen][:, None]

    def ranks(
        self, rows: Float[np.ndarray, "n dim"], labels: Int[np.ndarray, " n"]
    ) -> Int64[np.ndarray, " n"]:
        """Returns the rank of each label among the seen classes by the Euclidean distance of their means, the nearest
        first."""
        means = self.means
        # |row - mean|^2 is, but for a term of the row and a factor, a product of longer rows.
        queries = np.hstack([rows.astype(np.float64), np.ones((len(rows), 1))])
        candidates = np.hstack([means, -(means**2).sum(axis=1, keepdims=True) / 2])
        pairs = np.stack([np.arange(len(labels)), np.searchsorted(self.seen, labels)], axis=1)
        return best_ranks(queries, candidates, pairs)


class Split(NamedTuple):
    """Rows to learn from and rows to ask for, each with the index of its class, and the classes of each task."""

    learned: Int[np.ndarray, " m"]
    learned_classes: Int[np.ndarray, " m"]
    asked: Int[np.ndarray, " n"]
    asked_classes: Int[np.ndarray, " n"]
    tasks: list[Int[np.ndarray, " classes"]]


class AfterTask(NamedTuple):
    """Says how many classes have come, and the ranks among them of the asked rows that are of one of them."""

    seen: int
    labels: Int[np.ndarray, " n"]
    ranks: Int64[np.ndarray, " n"]


def learn_task_by_task(
    split: Split, learned: Float[np.ndarray, "m dim"], asked: Float[np.ndarray, "n dim"]
) -> list[AfterTask]:
    """Returns what is known after each task, of which none is ever looked at again."""
    means = StreamingMeans(sum(map(len, split.tasks)), learned.shape[1])
    after = []
    for task in split.tasks:
        rows = np.isin(split.learned_classes, task)
        means.update(learned[rows], split.learned_classes[rows])
        known = np.isin(split.asked_classes, means.seen)
        labels = split.asked_classes[known]
        after.append(AfterTask(len(means.seen), labels, means.ranks(asked[known], labels)))
    return after


@dataclass(frozen=True)
class ClassMeans(OnSets):
    """Accuracy of the nearest class mean, after all tasks and on average over the classes seen so far.

    Figures after the last task do not depend on how the classes are split into tasks. Images of a class that the
    learned set lacks are left out.

    Attributes:
        learned: evaluation set that the means are made of.
        tasks: parts that the classes come in.
        seed: of the order in which classes come.
    """

    learned: str
    tasks: int
    seed: int

    reads: ClassVar[frozenset[str]] = frozenset({"image"})

    def __post_init__(self) -> None:
        if self.learned not in self.data:
            raise UserError(
                f"evaluators.class_means.learned asks for {self.learned!r}: data.evaluation has {', '.join(self.data)}"
            )

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            after = self._after_tasks(model, name)
            own = {
                "top1": share_within(after[-1].ranks, 1),
                "top5": share_within(after[-1].ranks, 5),
                "mean_per_class": mean_per_class(after[-1].ranks, after[-1].labels),
                "average_incremental": float(np.mean(_accuracies(after))),
            }
            figures |= {f"{self.name}/{name}/{figure}": value for figure, value in own.items()}
        return figures

    def chance(self) -> dict[str, float]:
        chance: dict[str, float] = {}
        for name in self.sets:
            seen = np.cumsum([len(task) for task in self._split(name).tasks]).tolist()
            one = chance_within(1, [1], seen[-1])
            own = {"top1": one, "top5": chance_within(5, [1], seen[-1]), "mean_per_class": one}
            own["average_incremental"] = float(np.mean([chance_within(1, [1], count) for count in seen]))
            chance |= {f"{self.name}/{name}/{figure}": value for figure, value in own.items()}
        return chance

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        ranks = {name: self._after_tasks(model, name)[-1].ranks for name in self.sets}
        return {
            f"{self.name}/{name}/top{k}": (own <= k).astype(np.float64)
            for name, own in ranks.items()
            for k in (1, 5)
        }

    def remarks(self, model: Encoder) -> list[str]:
        """Counts the images of classes that were not learned."""
        return [
            remark
            for name in self.sets
            for remark in left_out_remarks(f"{self.name}/{name}", self.data[name], self.data[self.learned])
        ]

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        for name in self.sets:
            after = self._after_tasks(model, name)
            rows = [
                (str(task), str(one.seen), f"{accuracy:.1%}")
                for task, (one, accuracy) in enumerate(zip(after, _accuracies(after), strict=True), 1)
            ]
            yield Table(f"Classes of {name}, task by task", ("task", "classes so far", "accuracy"), rows)

    def _after_tasks(self, model: Encoder, name: str) -> list[AfterTask]:
        split = self._split(name)
        learned = model.encode_image_array(self.data[self.learned].images)[split.learned]
        asked = model.encode_image_array(self.data[name].images)[split.asked]
        return learn_task_by_task(split, learned, asked)

    def _split(self, name: str) -> Split:
        classes, learned, learned_classes = labelled_classes(self.learned, self.data[self.learned].labels)
        number = {label: index for index, label in enumerate(classes)}
        labels = self.data[name].labels
        asked = np.array([row for row, label in enumerate(labels) if label in number], np.int64)
        if not len(asked):
            raise UserError(f"no image of set {name!r} has a label that {self.learned!r} has")
        if self.tasks > len(classes):
            raise UserError(
                f"evaluators.class_means.tasks={self.tasks} is more than the {len(classes)} classes of {self.learned!r}"
            )
        order = np.random.default_rng(self.seed).permutation(len(classes))
        asked_classes = np.array([number[labels[row]] for row in asked])
        return Split(learned, learned_classes, asked, asked_classes, np.array_split(order, self.tasks))


def _accuracies(after: list[AfterTask]) -> list[float]:
    """Of each task after which there is anything to ask."""
    return [share_within(one.ranks, 1) for one in after if len(one.ranks)]
