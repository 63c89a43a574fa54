"""DataComp's image-based filter: clusters that images of known classes are in, by one checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chosen_embeddings import decided, item, step_of

from vlp.curation.near_classes import NearClasses

CENTRES = np.array([(2, 0, 0), (0, 1, 0), (0, 0, 3)], np.float32)


@pytest.fixture
def clusters(tmp_path: Path) -> Path:
    folder = tmp_path / "clusters"
    (folder / "embeddings").mkdir(parents=True)
    np.save(folder / "centres.npy", CENTRES)
    table = {"id": ["r0", "r1", "r2"], "cluster_ids": [[2, 0], [0, 1], [1, 2]]}
    pq.write_table(pa.table(table), folder / "clusters.parquet")
    (folder / "embeddings" / "begun_with.json").write_text(json.dumps({"checkpoint": "c0ffee"}))
    return folder


def test_clusters_that_are_the_nearest_of_a_known_image_stay(
    embedded: Callable[..., str], clusters: Path
) -> None:
    folder = embedded({"k0": (0, 1, 0.5), "k2": (0.2, 0, 1)}, {"": (1, 0, 0)})
    step = step_of(NearClasses, embeddings=folder, clusters=str(clusters), classes="web")
    step.check_fits("web", ["r1"])
    made = decided(
        step, [item(name) for name in ("r0", "r1", "r2", "r3")]
    )  # by cosine: a longer centre is no nearer
    assert [one.reason for one in made] == ["", "far from all classes", "", "no cluster"]
    assert [one.scores.get("cluster") for one in made] == [2, 0, 1, None]
    assert step.facts() == {"clusters": 3, "near_classes": 2}


def test_clusters_of_another_checkpoint_or_source_are_refused(
    embedded: Callable[..., str], clusters: Path
) -> None:
    folder = embedded({"k0": (0, 1, 0.5)}, {"": (1, 0, 0)}, checkpoint="decaf")
    step = step_of(NearClasses, embeddings=folder, clusters=str(clusters), classes="web")
    with pytest.raises(ValueError, match=r"by another checkpoint \(c0ffee\) than the embeddings"):
        step.check_fits("web", ["r0"])
    (clusters / "embeddings" / "begun_with.json").unlink()
    with pytest.raises(ValueError, match=r"has no cluster for any of 2 records of source 'web'.*'x'.*'r0'"):
        step.check_fits("web", ["x", "y"])
