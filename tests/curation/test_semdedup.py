"""SemDeDup: near images of one cluster, in the order of their distance from its centre."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chosen_embeddings import decided, item, step_of

from vlp.curation.semdedup import SemDeDup

# Radians from the first centre, and the cluster: r2 is near r1, and r4 near r3 in another cluster.
PLACES = {"r0": (0.0, 0), "r1": (0.2, 0), "r2": (0.3, 0), "r3": (1.5, 1), "r4": (1.45, 1), "r5": (0.25, 1)}


@pytest.fixture
def made(embedded: Callable[..., str], tmp_path: Path) -> dict[str, str]:
    """Where embeddings and clusters are; r6 has no cluster."""
    clusters = tmp_path / "clusters"
    (clusters / "embeddings").mkdir(parents=True)
    np.save(clusters / "centres.npy", np.array([(2, 0), (0, 0.5)], np.float32))
    table = {"id": [*PLACES], "cluster_ids": [[cluster] for _, cluster in PLACES.values()]}
    pq.write_table(pa.table(table), clusters / "clusters.parquet")
    (clusters / "embeddings" / "begun_with.json").write_text(json.dumps({"checkpoint": "c0ffee"}))
    angles = {name: angle for name, (angle, _) in PLACES.items()} | {"r6": 0.0}
    rows = {name: (np.cos(angle), np.sin(angle)) for name, angle in angles.items()}
    return {"embeddings": embedded(rows, {"": (1, 0)}), "clusters": str(clusters)}


@pytest.mark.parametrize(
    ("keep", "gone"),
    [("far", ("r0", "r1", "r3")), ("near", ("r1", "r2", "r4")), ("first", ("r1", "r2", "r4"))],
)
def test_what_is_near_an_earlier_one_of_its_cluster_goes(
    made: dict[str, str], keep: str, gone: tuple[str, ...]
) -> None:
    """Also r0, or r2, whose neighbour r1 goes itself: all that come before count."""
    step = step_of(SemDeDup, **made, keep=keep, distance=1 - np.cos(0.21))
    step.check_fits("web", ["r0"])
    items = [dataclasses.replace(item(name), number=number) for number, name in enumerate([*PLACES, "r6"])]
    decisions = {one.record.id: decision for one, decision in zip(items, decided(step, items), strict=True)}
    assert decisions.pop("r6").reason == "no cluster"
    assert {name: one.reason for name, one in decisions.items()} == {
        name: "near-duplicate" if name in gone else "" for name in PLACES
    }
    if keep == "far":
        assert [decisions[name].scores["nearest"] for name in gone] == [1, 2, 4]


def test_any_order_is_what_all_pairs_of_a_cluster_say(embedded: Callable[..., str], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(4, 6))[rng.integers(0, 4, 90)] + 0.3 * rng.normal(size=(90, 6))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    clusters, centres = rng.integers(0, 5, 90), rng.normal(size=(5, 6)).astype(np.float32)
    np.save(tmp_path / "centres.npy", centres)
    table = {"id": [f"r{number}" for number in range(90)], "cluster_ids": clusters[:, None].tolist()}
    pq.write_table(pa.table(table), tmp_path / "clusters.parquet")
    folder = embedded({f"r{number}": row for number, row in enumerate(rows)}, {"": np.ones(6)})
    step = step_of(SemDeDup, embeddings=folder, clusters=str(tmp_path), distance=0.15)
    items = [dataclasses.replace(item(f"r{number}"), number=number) for number in range(90)]
    gone = {number for number, one in enumerate(decided(step, items)) if one.reason}
    expected = set()
    for cluster in range(5):
        own = np.flatnonzero(clusters == cluster)
        own = own[np.argsort(rows[own] @ centres[cluster], kind="stable")]  # hard ones first
        above = np.triu(rows[own] @ rows[own].T, 1).max(0)
        expected |= {*own[above > 1 - 0.15].tolist()}
    assert gone == expected and 10 < len(gone) < 70


def test_clusters_of_another_checkpoint_are_refused(made: dict[str, str]) -> None:
    note = Path(made["clusters"]) / "embeddings" / "begun_with.json"
    note.write_text(json.dumps({"checkpoint": "decaf"}))
    with pytest.raises(ValueError, match=r"by another checkpoint \(decaf\) than the embeddings"):
        step_of(SemDeDup, **made).check_fits("web", ["r0"])


def test_what_asks_for_texts_needs_no_clusters_yet(made: dict[str, str]) -> None:
    step = step_of(SemDeDup, **{**made, "clusters": "nowhere"})
    assert not step.texts()
    with pytest.raises(ValueError, match="nowhere"):
        step.given()
