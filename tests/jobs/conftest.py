"""A checkpoint and records that jobs read."""

from __future__ import annotations

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs import quickstart as quickstart_config
from input_pipeline.tokenizers import load_tokenizer
from vlp.checkpoint import Checkpointer, Description
from vlp.configuration import to_dict
from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer
from vlp.training.state import split


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """An untrained quickstart model."""
    config = quickstart_config.get_config("runlocal")
    config.model.image.depth = config.model.text.depth = 1
    tokenizer = load_tokenizer(config.tokenizer)

    def make():
        size = tokenizer.vocabulary_size
        return split(Pretrainer(config, vocabulary_size=size, compute=Compute(unroll=True)))[1]

    directory = tmp_path_factory.mktemp("run")
    checkpointer = Checkpointer(directory / "checkpoints")
    spec = {"resolution": 64, "resize": "pad", "mean": [0.5] * 3, "std": [0.5] * 3}
    description = Description(to_dict(config), spec, tokenizer.spec, tokenizer.to_bytes(), {"step": 1})
    checkpointer.save(1, {"params": jax.jit(make)()}, {"step": np.int32(1)}, description)
    checkpointer.close()
    return directory


@pytest.fixture(scope="session")
def data(quickstart, tmp_path_factory):
    """Seventy records: one has no image, one repeats an id."""
    rows = pq.read_table(quickstart / "val.parquet").slice(0, 70).to_pylist()
    rows[3]["image"], rows[5]["id"] = b"not an image", rows[4]["id"]
    path = tmp_path_factory.mktemp("data") / "some.parquet"
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(quickstart / "val.parquet")), path)
    return path
