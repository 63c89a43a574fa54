"""Samplers that keep a label's records together: pure functions of seed and index, on any number of hosts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.grouped import Grouped
from input_pipeline.mixture import Address
from input_pipeline.stream import Stream, make_stream
from input_pipeline.subsets import chosen_records
from input_pipeline.tokenizers import Tokenizer

LABELS = [f"class {number % 10 if number < 60 else number % 3}" for number in range(80)] + ["", "single"]
FIELDS = ("image", "text", "text_mask", "text_id")


def grouped(each: int = 4, batch: int = 3, seed: int = 7) -> Grouped:
    """Records 0 ... 59 in source a, the others in source b."""
    records = {"a": range(60), "b": range(22)}
    return Grouped(records, {"a": LABELS[:60], "b": LABELS[60:]}, seed, each=each, batch=batch)


def label_of(address: Address) -> str:
    return LABELS[address.record + (60 if address.source == "b" else 0)]


def test_each_batch_has_so_many_labels_of_so_many_records() -> None:
    sampler = grouped()
    drawn = [[sampler.address(index) for index in range(12 * batch, 12 * batch + 12)] for batch in range(90)]
    for batch in drawn:
        labels = [label_of(address) for address in batch]
        assert labels == [label for label in labels[::4] for _ in range(4)] and len(set(labels)) == 3
        for start in range(0, 12, 4):
            if labels[start] != "single":
                assert len(set(batch[start : start + 4])) == 4
    # Of eleven labels, nine an epoch of three batches; over all epochs each about as often.
    for epoch in range(30):
        of_epoch = [label_of(address) for batch in drawn[3 * epoch : 3 * epoch + 3] for address in batch[::4]]
        assert len(set(of_epoch)) == 9
    counts = Counter(label_of(batch[place]) for batch in drawn for place in (0, 4, 8))
    assert len(counts) == 11 and min(counts.values()) >= 15
    assert {address for batch in drawn for address in batch} == {
        *(Address("a", record) for record in range(60)),
        *(Address("b", record) for record in range(22) if record != 20),
    }


def test_the_seed_decides_and_the_shares_are_said() -> None:
    one, same, other = grouped(), grouped(), grouped(seed=8)
    indices = range(1000)
    assert [one.address(i) for i in indices] == [same.address(i) for i in indices]
    assert [one.address(i) for i in indices] != [other.address(i) for i in indices]
    shares = one.shares()
    assert shares["a"][0] == 60 and shares["b"][0] == 21
    assert sum(share for _, share in shares.values()) == pytest.approx(1.0)


def test_a_bad_record_is_mostly_replaced_by_one_of_its_label() -> None:
    sampler, dice = grouped(), np.random.default_rng(0)
    address = sampler.address(0)
    labels = Counter(label_of(sampler.another(address, dice)) for _ in range(400))
    assert (
        labels.most_common(1)[0][0] == label_of(address)
        and labels[label_of(address)] > 300
        and len(labels) > 3
    )


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="a batch takes 12 labels, and the records in use have 11"):
        grouped(batch=12)


@pytest.fixture
def stream(tokenizer: Tokenizer, write_parquet: Callable[..., Path]) -> Callable[..., Stream]:
    path = write_parquet(24)
    table = pq.read_table(path).append_column("category", pa.array([f"c{row % 6}" for row in range(24)]))
    pq.write_table(table, path, row_group_size=5)

    def make(batch_size: int = 8, shots: int = 0, **sampler: Any) -> Stream:
        entry = {"format": "parquet", "path": str(path), "weight": 1.0, "shots": shots}
        return make_stream(
            {
                "sources": {"a": entry},
                "image": {"crop_scale": (0.3, 1.0), "crop_ratio": (1.0, 1.0), "flip": True, "resize": "pad"},
                "text": {},
                "sampler": {"of": "label", "each": 2, **sampler},
            },
            preprocessing={"resolution": 8, "resize": "pad"},
            tokenizer=tokenizer,
            batch_size=batch_size,
            seed=3,
            fields=FIELDS,
        )

    return make


@pytest.mark.parametrize(("kind", "shape"), [("classes", (8,)), ("bags", (4, 2))])
def test_hosts_and_starts_change_nothing(
    stream: Callable[..., Stream], kind: str, shape: tuple[int, ...]
) -> None:
    one = stream(shape[0], kind=kind)
    whole = [one.host_batches()(number) for number in range(4)]
    assert whole[0]["image"].shape == (*shape, 8, 8, 3) and whole[0]["text_mask"].shape == (*shape, 16)
    pairs = whole[1]["own"][:, 1].reshape(-1, 2) % 6  # the labels
    assert (pairs[:, 0] == pairs[:, 1]).all() and len({*pairs[:, 0]}) == 4
    assert whole[3]["index"].tolist() == list(range(24, 32))
    for start, hosts in ((0, 2), (2, 4)):
        parts = [stream(shape[0], kind=kind).host_batches(start, host, hosts)(1) for host in range(hosts)]
        for name, array in whole[start + 1].items():
            np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), array, err_msg=name)


def test_few_shots_are_of_every_label_and_lie_within_more(stream: Callable[..., Stream]) -> None:
    source = stream()._examples.sources["a"]
    chosen = {
        (shots, seed): set(chosen_records(source, "a", shots=shots, shots_seed=seed))
        for shots in (1, 2, 4)
        for seed in (0, 1)
    }
    for (shots, _), records in chosen.items():
        assert Counter(record % 6 for record in records) == dict.fromkeys(range(6), shots)
    assert chosen[1, 0] < chosen[2, 0] < chosen[4, 0] and chosen[1, 0] != chosen[1, 1]
    assert stream(shots=2).shares() == {"a": (12, 1.0)}
    with pytest.raises(
        ValueError, match="shots=5, but the label 'c0' has 4 records: take fewer shots, or name in"
    ):
        chosen_records(source, "a", shots=5)


def test_labels_of_a_file_are_kept_and_those_of_no_record_refused(
    stream: Callable[..., Stream], tmp_path: Path
) -> None:
    source, file = stream()._examples.sources["a"], tmp_path / "labels.txt"
    file.write_text("c4\nc1\n")
    kept = chosen_records(source, "a", keep_labels=str(file))
    assert {number % 6 for number in kept} == {1, 4} and len(kept) == 8
    few = chosen_records(source, "a", keep_labels=str(file), shots=2)
    assert {*few} == {*chosen_records(source, "a", shots=2)} & {*kept}
    file.write_text("no\n")
    with pytest.raises(
        ValueError, match=r"no record has a label of keep_labels='.*labels.txt', such as 'no'; they"
    ):
        chosen_records(source, "a", keep_labels=str(file))


def test_the_order_of_records_is_that_of_earlier_versions() -> None:
    places = [tuple(grouped().address(index)) for index in (0, 1, 4, 11, 12, 500)]
    assert places == [("b", 18), ("a", 50), ("a", 48), ("a", 14), ("a", 47), ("a", 49)]


def test_a_batch_may_take_every_label() -> None:
    sampler = grouped(batch=11)
    assert len({label_of(sampler.address(index)) for index in range(44)}) == 11


def test_what_has_no_label_and_no_other_of_its_label_is_replaced_by_any_of_its_source() -> None:
    sampler, dice = grouped(), np.random.default_rng(0)
    for record in (20, 21):  # without a label, and the only one of its label
        others = {sampler.another(Address("b", record), dice).record for _ in range(300)}
        assert others == set(range(22))
