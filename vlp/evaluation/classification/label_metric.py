"""Distances between the labels of a set: along a tree, or between embeddings."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64

from input_pipeline.errors import UserError
from vlp.configuration.paths import find, looked_in

Edges = Iterable[tuple[str, str]]
ROOT = ""


def path_edges(labels: Sequence[str]) -> list[tuple[str, str]]:
    """Returns (child, parent) of category paths: 'furniture/living room' lies in 'furniture', that under the root."""
    edges: dict[tuple[str, str], None] = {}
    for label in labels:
        while label != ROOT:
            parent = label.rpartition("/")[0]
            edges[label, parent] = None
            label = parent
    return list(edges)


def read_edges(path: str) -> list[tuple[str, str]]:
    """Returns (child, parent) of a file with one edge a line: child, tab, parent. A child may have several parents.

    Raises:
        ValueError: there is no such file, or a line of another form.
    """
    files = find(path)
    if not files:
        raise UserError(
            f"there is no label tree at '{path}'{looked_in(path)}: name a file of lines 'child TAB parent'"
        )
    lines = files[0].read_text(encoding="utf-8-sig").splitlines()
    return [_edge(line, files[0], number) for number, line in enumerate(lines, 1) if line.strip()]


def tree_distances(labels: Sequence[str], edges: Edges) -> Float64[np.ndarray, "labels labels"]:
    """Edges on the shortest way between labels by their ancestors, in a tree or a graph such as WordNet's.

    Raises:
        ValueError: a label that no edge names, or two labels without a common ancestor.
    """
    neighbours = _around(labels, edges)
    distances = np.empty((len(labels), len(labels)))
    for row, label in enumerate(labels):
        steps = _steps_from(label, neighbours)
        if missing := [other for other in labels if other not in steps]:
            raise UserError(
                f"the label tree does not join {label!r} and {missing[0]!r}: give both a common ancestor"
            )
        distances[row] = [steps[other] for other in labels]
    return distances


def embedding_distances(rows: Float[np.ndarray, "labels dim"]) -> Float64[np.ndarray, "labels labels"]:
    """Returns the Euclidean distances between rows, such as those of the labels' texts."""
    wide = rows.astype(np.float64)
    squares = (wide**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * wide @ wide.T, 0))
    np.fill_diagonal(distances, 0)
    return distances


def _edge(line: str, file: Path, number: int) -> tuple[str, str]:
    child, tab, parent = line.partition("\t")
    if not tab or "\t" in parent:
        raise UserError(f"{file}, line {number}: {line!r} is not of the form 'child TAB parent'")
    return child.strip(), parent.strip()


def _around(labels: Sequence[str], edges: Edges) -> Mapping[str, set[str]]:
    """Who is next to whom, among the labels and their ancestors."""
    parents: dict[str, set[str]] = defaultdict(set)
    for child, parent in edges:
        parents[child].add(parent)
    known = parents.keys() | {parent for own in parents.values() for parent in own}
    if strange := [label for label in labels if label not in known]:
        raise UserError(f"the label tree has no {strange[0]!r}: its names must be the labels of the set")
    neighbours: dict[str, set[str]] = defaultdict(set)
    waiting, seen = list(labels), set(labels)
    while waiting:
        child = waiting.pop()
        for parent in parents.get(child, ()):
            neighbours[child].add(parent)
            neighbours[parent].add(child)
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return neighbours


def _steps_from(label: str, neighbours: Mapping[str, set[str]]) -> dict[str, int]:
    steps, waiting = {label: 0}, deque([label])
    while waiting:
        node = waiting.popleft()
        for near in neighbours.get(node, ()):
            if near not in steps:
                steps[near] = steps[node] + 1
                waiting.append(near)
    return steps
