"""A checkpoint and records that jobs read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from saved_models import saved_model


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """An untrained quickstart model."""
    return saved_model(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def data(quickstart, tmp_path_factory):
    """Seventy records: one has no image, one repeats an id."""
    rows = pq.read_table(quickstart / "val.parquet").slice(0, 70).to_pylist()
    rows[3]["image"], rows[5]["id"] = b"not an image", rows[4]["id"]
    path = tmp_path_factory.mktemp("data") / "some.parquet"
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(quickstart / "val.parquet")), path)
    return path
