"""MetaCLIP's balance inside the stream: each record as often as its probability says, whatever came before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.dice import Dice
from input_pipeline.mixture import Address
from input_pipeline.records import Record
from input_pipeline.samplers import make_mixture
from input_pipeline.thinned import Thinned


class Listed:
    """Records r0 to r199."""

    def __len__(self) -> int:
        return 200

    def __getitem__(self, number: int) -> Record:
        return Record(f"r{number}", None)


def table(path: Path, probabilities: np.ndarray, **columns: list[str]) -> str:
    ids = [f"r{number}" for number in range(len(probabilities))]
    pq.write_table(pa.table({"id": ids, "balance_probability": pa.array(probabilities), **columns}), path)
    return str(path)


def mixture(entry: dict, seed: int = 0, **sampler):
    sources = {"web": Listed(), "more": Listed()}
    entries = {"web": {"weight": 1.0, **entry}, "more": {"weight": 1.0}}
    return make_mixture({"sampler": sampler}, sources, entries, batch_size=8, seed=seed)


def test_a_record_comes_once_an_epoch_at_most_and_with_its_probability() -> None:
    rng = np.random.default_rng(0)
    probabilities = np.where(rng.random(300) < 0.3, 1.0, rng.random(300) ** 3)
    order, epochs = Thinned(probabilities, 5, "web"), 600
    assert order.length == int(probabilities.sum())
    seen = np.array([order[visit] for visit in range(epochs * order.length)]).reshape(epochs, -1)
    assert all(len({*epoch}) == order.length for epoch in seen.tolist())
    counts = np.bincount(seen.ravel(), minlength=300) / epochs
    expected = probabilities * order.length / probabilities.sum()
    assert np.abs(counts - expected).max() < 5 * 0.5 / np.sqrt(epochs)
    assert np.abs(counts - expected).mean() < 0.02 and counts[probabilities == 0].sum() == 0
    assert len({tuple(epoch) for epoch in seen.tolist()}) == epochs
    dice = [order.any(Dice(0).roll(number, "replacement")) for number in range(9000)]
    drawn = np.bincount(dice, minlength=300) / 9000
    assert np.abs(drawn - probabilities / probabilities.sum()).max() < 0.006


def test_the_stream_reads_what_a_curation_left_and_any_index_knows_its_record(tmp_path: Path) -> None:
    probabilities = np.zeros(200, np.float32)
    probabilities[50:150] = np.linspace(0.1, 1, 100)
    path = table(tmp_path / "scores.parquet", probabilities, source=["web"] * 200)
    mixed = mixture({"keep_probability": path})
    addresses = [mixed.address(index) for index in range(400)]
    assert addresses == [mixture({"keep_probability": path}).address(index) for index in range(400)]
    web = [address.record for address in addresses if address.source == "web"]
    assert min(web) >= 50 and max(web) < 150 and mixed.shares()["web"] == (55, 0.5)
    assert len({*web[:55]}) == 55 == len({*web[55:110]}) and {*web[:55]} != {*web[55:110]}
    assert {address.record for address in addresses if address.source == "more"} == {*range(200)}
    replaced = [mixed.another(addresses[0], Dice(0).roll(k, "replacement")).record for k in range(99)]
    names = {mixed.another(Address("web", 0), Dice(0).roll(k, "replacement")).source for k in range(9)}
    assert names == {"web"} and (addresses[0].source != "web" or 50 <= min(replaced) < max(replaced) < 150)
    assert web != [
        address.record
        for address in map(mixture({"keep_probability": path}, seed=1).address, range(400))
        if address.source == "web"
    ]


def test_what_is_no_table_of_probabilities_is_said_in_a_line(tmp_path: Path) -> None:
    large = table(tmp_path / "large.parquet", np.full(200, 2.0))
    for entry, said in (
        ({"keep_probability": large}, "reaches from 2 to 2: probabilities lie in"),
        ({"keep_probability": large, "keep_column": "score"}, "has no column 'score'"),
        ({"keep_probability": str(tmp_path / "none.parquet")}, "none.parquet"),
        (
            {"keep_probability": table(tmp_path / "other.parquet", np.ones(200), source=["books"] * 200)},
            "no probability above 0 for any of 200 records of source 'web', such as 'r0'; it has some for 'r0' of "
            "source 'books'",
        ),
    ):
        with pytest.raises(ValueError, match=r"data\.sources\.web\.keep_probability") as error:
            mixture(entry)
        assert said in str(error.value)
    with pytest.raises(ValueError, match="draws by labels"):
        mixture({"keep_probability": large}, kind="classes", of="label", each=2)
