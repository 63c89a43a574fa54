"""Rounds of choosing and learning: each buys as many images as it may, of all that are left; the next knows them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import main
from vlp.checkpoint import find_checkpoint, load_model_arrays

pytestmark = pytest.mark.slow

BUDGET, ROUNDS = 12, 2
SOURCE = "--config.data.sources.quickstart"
TRAIN = (
    "--config.model.image.depth=1",
    "--config.model.text.depth=1",
    "--config.steps=2",
    "--config.batch_size=8",
    "--config.log.tensorboard=false",
    "--config.evaluators={}",
    f"{SOURCE}.shots=0",
)


@pytest.fixture(scope="module")
def pool(quickstart, tmp_path_factory):
    """Records of a few classes, and the file of these."""
    folder = tmp_path_factory.mktemp("pool")
    table = pq.read_table(quickstart / "val.parquet")
    names, counts = np.unique(table.column("category").to_pylist(), return_counts=True)
    labels = [str(name) for name in names[np.argsort(-counts, kind="stable")[:6]]]
    (folder / "labels.json").write_text(json.dumps({"labels": sorted(labels)}))
    kept = [name in labels for name in table.column("category").to_pylist()]
    pq.write_table(table.filter(kept), folder / "pool.parquet")
    return folder


def test_every_round_buys_of_what_is_left_and_learns_from_all_that_is_bought(checkpoint, pool, tmp_path):
    labels = pool / "labels.json"
    data = (f"{SOURCE}.path={pool / 'pool.parquet'}", f"{SOURCE}.keep_labels={labels}")

    def select(checkpoint, number, *flags):
        output = tmp_path / f"bought{number}.txt"
        arguments = ["--job=select", f"--checkpoint={checkpoint}", f"--output={output}", *data, *flags]
        assert (
            main.main([*arguments, f"--config.select.budget={BUDGET}", f"--config.select.seed={number}"]) == 0
        )
        ids = output.read_text().splitlines()
        assert len(ids) == len(set(ids)) == BUDGET * (number + 1)
        return output, ids

    bought, ids = select(checkpoint, 0, "--config.select.by=random")
    texts = tuple(f"--config.data.{group}.classes.path={labels}" for group in ("texts", "labels"))
    contexts = []
    for number in range(1, ROUNDS + 1):
        run = tmp_path / f"coop{number}"
        config = f"--config=configs/coop.py:runlocal,start={checkpoint}"
        own = (*data, *texts, f"{SOURCE}.keep_ids={bought}")
        assert main.main([config, f"--workdir={run}", *TRAIN, *own]) == 0
        saved = json.loads((run / "config.json").read_text())
        assert saved["data"]["sources"]["quickstart"]["keep_ids"] == str(bought)
        contexts.append(load_model_arrays(find_checkpoint(run))["params"]["model"]["text"]["context"])
        before = ids
        bought, ids = select(run, number, f"--config.select.bought={bought}", f"{SOURCE}.keep_ids=")
        assert set(before) < set(ids)
    one, other = (np.asarray(own["embedding"]) for own in contexts)
    assert (one != other).any(), "a round learns from what the one before it bought"


def test_ids_of_other_data_and_a_budget_beyond_the_pool_are_one_line(checkpoint, pool, tmp_path, capsys):
    (tmp_path / "other.txt").write_text("nobody\n")

    def refusal(*flags):
        arguments = ["--job=select", f"--checkpoint={checkpoint}", f"--output={tmp_path / 'ids.txt'}"]
        assert main.main([*arguments, f"{SOURCE}.path={pool / 'pool.parquet'}", *flags]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
        return error

    assert "'nobody' is the id of no image of the pool" in refusal(
        f"--config.select.bought={tmp_path / 'other.txt'}"
    )
    assert "are left to choose from; lower it" in refusal("--config.select.budget=100000")
