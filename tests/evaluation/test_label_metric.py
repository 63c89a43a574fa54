from __future__ import annotations

import itertools

import numpy as np
import pytest

from vlp.evaluation.classification.label_metric import (
    embedding_distances,
    path_edges,
    read_edges,
    tree_distances,
)


def test_paths_of_categories_are_a_tree() -> None:
    labels = ["furniture/bedroom", "furniture/living room", "furniture", "animals/birds/owls"]
    distances = tree_distances(labels, path_edges(labels))
    # up to furniture and down; one up; up twice to the root and down three times
    assert distances.tolist() == [[0, 2, 1, 5], [2, 0, 1, 5], [1, 1, 0, 4], [5, 5, 4, 0]]


def test_distances_are_a_metric_and_shortest_ways_over_several_parents() -> None:
    rng = np.random.default_rng(0)
    # A random graph in which every node but the root has one or two earlier ones as parents.
    edges = [
        (str(node), str(parent))
        for node in range(1, 40)
        for parent in rng.choice(node, size=min(node, 2), replace=False)
    ]
    labels = [str(node) for node in range(25, 40)]
    distances = tree_distances(labels, edges)
    shortest = floyd_warshall(labels, edges)
    np.testing.assert_array_equal(distances, shortest)
    np.testing.assert_array_equal(distances, distances.T)
    for a, b, c in itertools.permutations(range(len(labels)), 3):
        assert distances[a, c] <= distances[a, b] + distances[b, c]


def floyd_warshall(labels: list[str], edges: list[tuple[str, str]]) -> np.ndarray:
    """Over the labels and their ancestors alone."""
    kept, before = set(labels), set()
    while kept != before:
        before = set(kept)
        kept |= {parent for child, parent in edges if child in kept}
    nodes = sorted(kept)
    ways = np.where(np.eye(len(nodes)), 0.0, np.inf)
    for child, parent in edges:
        if child in kept:
            a, b = nodes.index(child), nodes.index(parent)
            ways[a, b] = ways[b, a] = 1
    for middle in range(len(nodes)):
        ways = np.minimum(ways, ways[:, middle, None] + ways[middle])
    at = [nodes.index(label) for label in labels]
    return ways[np.ix_(at, at)]


def test_a_file_of_edges_is_read_and_its_mistakes_are_told(tmp_path) -> None:
    path = tmp_path / "tree.tsv"
    path.write_text("n1\tn9\nn2\tn9\n\nn9\tn0\nn3\tn0\n")
    assert tree_distances(["n1", "n2", "n3"], read_edges(str(path))).tolist() == [
        [0, 2, 3],
        [2, 0, 3],
        [3, 3, 0],
    ]
    with pytest.raises(ValueError, match="has no 'n7'"):
        tree_distances(["n1", "n7"], read_edges(str(path)))
    with pytest.raises(ValueError, match="does not join 'n1' and 'm1'"):
        tree_distances(["n1", "m1"], [*read_edges(str(path)), ("m1", "m0")])
    path.write_text("n1\tn9\nn2 n9\n")
    with pytest.raises(ValueError, match="line 2: 'n2 n9' is not of the form"):
        read_edges(str(path))


def test_embedding_distances_are_euclidean() -> None:
    rows = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    expected = np.linalg.norm(rows[:, None].astype(np.float64) - rows, axis=2)
    np.testing.assert_allclose(embedding_distances(rows), expected, atol=1e-7)
    assert not embedding_distances(rows).diagonal().any()
