"""Class numbers of side tables that an objective has no class for are refused before the first step."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import main
from configs import base
from vlp.runs.data import check_classes


@pytest.mark.parametrize("bounds", [(0, 16), (-2, 3), (0, 2_000_000_000)])
def test_numbers_beyond_the_classes_are_refused(bounds: tuple[int, int]) -> None:
    config = base.get_config()
    with config.unlocked():
        config.objectives = {"discrimination": {"weight": 1.0, "labels": "cluster_ids", "classes": 16}}
    worst = bounds[1] if bounds[1] > 15 else bounds[0]
    with pytest.raises(
        ValueError, match=rf"cluster_ids holds class {worst}, .*discrimination\.classes=16 are 0 to 15"
    ):
        check_classes(config.objectives, {"cluster_ids": bounds})
    check_classes(config.objectives, {"cluster_ids": (-1, 15), "other": bounds})
    config.objectives.discrimination.weight = 0.0
    check_classes(config.objectives, {"cluster_ids": bounds})


def test_a_run_with_another_table_does_not_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = pq.read_table("data/quickstart/train.parquet", columns=["id"]).column("id")
    pq.write_table(pa.table({"id": ids, "cluster_ids": [[300]] * len(ids)}), tmp_path / "t.parquet")
    status = main.main(
        [
            "--config=configs/mlcd.py:runlocal",
            f"--config.data.tables.cluster_ids.path={tmp_path / 't.parquet'}",
            f"--workdir={tmp_path / 'run'}",
        ]
    )
    assert status == 2 and not (tmp_path / "run" / "checkpoints").exists()
    assert "data.tables.cluster_ids holds class 300" in capsys.readouterr().err
