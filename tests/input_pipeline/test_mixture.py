"""Which record an index stands for: shares, whole epochs, single-source batches, and nested parts of a source."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import chisquare

from input_pipeline.dice import Dice
from input_pipeline.mixture import Address, Mixture, turn
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.shuffle import Epochs
from input_pipeline.subsets import Share, chosen_records, spread

WEIGHTS = {"a": 0.5, "b": 0.3, "c": 0.2}
LENGTHS = {"a": 70, "b": 13, "c": 40}


def mixture(weights: dict[str, float] = WEIGHTS, seed: int = 3, single_source: int = 0) -> Mixture:
    return Mixture({name: range(LENGTHS[name]) for name in weights}, weights, seed, single_source)


def assert_whole_epochs(records: list[int], length: int) -> None:
    whole = len(records) // length * length
    for start in range(0, whole, length):
        assert sorted(records[start : start + length]) == list(range(length))


@pytest.mark.parametrize("single_source", [0, 8])
def test_shares_hold_and_epochs_are_whole(single_source: int) -> None:
    mixed = mixture(single_source=single_source)
    addresses = [mixed.address(index) for index in range(8 * 1024)]
    counts = Counter(address.source for address in addresses)
    for name, weight in WEIGHTS.items():
        assert abs(counts[name] - weight * len(addresses)) <= 8 * 3
        assert_whole_epochs(
            [address.record for address in addresses if address.source == name], LENGTHS[name]
        )


@pytest.mark.parametrize("single_source", [0, 8])
def test_realised_shares_are_those_of_the_weights(single_source: int) -> None:
    """By a chi-square test; of shares drawn at random, one of a hundred would be further off."""
    mixed, count = mixture(single_source=single_source), 40_000
    drawn = Counter(mixed.address(index * max(single_source, 1)).source for index in range(count))
    found, expected = zip(*((drawn[name], count * share) for name, share in WEIGHTS.items()), strict=True)
    assert chisquare(found, expected).pvalue > 0.01
    off = [share * (1.1 if name == "c" else 1) for name, share in WEIGHTS.items()]
    assert chisquare(found, np.array(off) / sum(off) * count).pvalue < 0.01  # it would be seen


def test_small_weights_are_not_rounded_to_something_else() -> None:
    mixed = mixture({"a": 1.0, "b": 0.00173})
    count = sum(mixed.address(index).source == "b" for index in range(100_000))
    assert count == pytest.approx(100_000 * 0.00173 / 1.00173, abs=2)


def test_a_batch_of_one_source_is_whole_and_its_source_random() -> None:
    mixed = mixture(single_source=8)
    sources = [{mixed.address(8 * batch + row).source for row in range(8)} for batch in range(600)]
    assert all(len(of_batch) == 1 for of_batch in sources)
    names = [next(iter(of_batch)) for of_batch in sources]
    pairs = Counter(itertools.pairwise(names))
    assert len(pairs) == 9, "in a fixed turn, some source never follows some other"
    other = mixture(seed=4, single_source=8)
    assert [other.address(8 * batch).source for batch in range(600)] != names
    assert Counter(names) == pytest.approx({name: 600 * weight for name, weight in WEIGHTS.items()}, abs=60)


@dataclass(frozen=True)
class Numbers:
    """Record i has the id 'i'; every tenth cannot be read. Of three in a row each has another vendor."""

    length: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Record:
        if index % 10 == 9:
            raise BadRecord(Reason.UNREADABLE, f"record {index}")
        return Record(str(index), None, source="s", extras={"vendor": "abc"[index % 3]})


@pytest.mark.parametrize("length", [1, 999, 100_000])
def test_smaller_fractions_lie_within_larger_ones(length: int) -> None:
    parts = [set(chosen_records(Numbers(length), "a", fraction=share)) for share in (0.01, 0.1, 0.2, 1.0)]
    assert [len(part) for part in parts] == [max(1, round(share * length)) for share in (0.01, 0.1, 0.2, 1.0)]
    assert parts[0] <= parts[1] <= parts[2] <= parts[3] == set(range(length))
    # Spread over all of the source, not its beginning.
    assert length < 999 or max(parts[1]) > 0.9 * length


@pytest.mark.parametrize("kind", ["text", "parquet"])
def test_records_are_kept_by_id(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"keep.{kind}"
    ids = ["3", "19", "40", "nobody", "25"]
    if kind == "parquet":
        pq.write_table(pa.table({"id": ids}), path)
    else:
        path.write_text("\n".join(ids) + "\n\n")
    assert list(chosen_records(Numbers(50), "a", keep_ids=str(path))) == [3, 25, 40]
    assert set(chosen_records(Numbers(50), "a", keep_ids=str(path), fraction=0.5)) < {3, 25, 40}


def test_records_are_kept_by_what_they_say() -> None:
    kept = chosen_records(Numbers(30), "a", only="vendor=a|c")
    assert list(kept) == [number for number in range(30) if number % 3 != 1 and number % 10 != 9]
    assert len(chosen_records(Numbers(30), "a", only="source=s", fraction=0.5)) == 14


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fraction": 0.0}, "source 'a': fraction 0.0 must be above 0"),
        ({"fraction": 1.5}, "fraction 1.5"),
        ({"keep_ids": "nowhere.txt"}, "no file"),
        ({"only": "vendor=x"}, "no record has 'vendor=x'.*under 'vendor' they say a, b, c"),
        ({"only": "licence=cc0"}, "under 'licence' they say nothing"),
        ({"only": "vendor"}, "only is NAME=VALUE, with a name of source, label, group"),
    ],
)
def test_odd_parts_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chosen_records(Numbers(5), "a", **options)  # type: ignore[arg-type]


def test_a_list_of_other_ids_is_an_error(write_parquet: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("somebody")
    with pytest.raises(ValueError, match="none of its 5 records has an id of"):
        chosen_records(Numbers(5), "a", keep_ids=str(tmp_path / "ids"))


@pytest.mark.parametrize("length", [50, 70_000])
def test_orders_depend_on_seed_name_and_epoch_and_are_whole(length: int) -> None:
    def order(seed: int, name: str, epoch: int = 0) -> list[int]:
        epochs = Epochs(length, seed, name)
        return [epochs[epoch * length + place] for place in range(length)]

    orders = [order(0, "a"), order(1, "a"), order(0, "b"), order(0, "a", 1), order(0, "a", 2)]
    for number, one in enumerate(orders):
        assert sorted(one) == list(range(length))
        for other in orders[:number]:
            assert np.mean(np.array(one) == np.array(other)) < 0.2
    assert order(0, "a") == orders[0]


def test_addresses_of_two_seeds_differ() -> None:
    sources = {"a": range(40), "b": range(60)}
    first, second, again = (
        [Mixture(sources, {"a": 1.0, "b": 1.0}, seed).address(index) for index in range(80)]
        for seed in (0, 1, 0)
    )
    assert first == again != second
    assert [address.source for address in first] == [address.source for address in second]


# Numbers as of the first version: with others a run that goes on from a checkpoint would see other data.
PLACES = (0, 1, 2, 3, 9, 1000, 100_000)
BY_RECORD = [("a", 20), ("b", 6), ("a", 43), ("b", 12), ("b", 9), ("a", 53), ("a", 32)]
BY_BATCH = [("c", 3), ("c", 22), ("c", 34), ("c", 26), ("a", 43), ("a", 25), ("b", 1)]


@pytest.mark.parametrize(("single_source", "expected"), [(0, BY_RECORD), (8, BY_BATCH)])
def test_the_order_of_records_is_that_of_earlier_versions(single_source: int, expected: list) -> None:
    mixed = mixture(single_source=single_source)
    assert [tuple(mixed.address(index)) for index in PLACES] == expected


def test_orders_parts_and_dice_are_those_of_earlier_versions() -> None:
    assert [Epochs(50, 3, "a")[visit] for visit in (0, 1, 49, 50, 51)] == [22, 18, 35, 3, 10]
    many = Epochs(70_000, 3, "a")
    assert [many[visit] for visit in (0, 1, 69_999, 70_000, 70_001)] == [65441, 12191, 6532, 63062, 30567]
    assert list(Share(range(999), 5)) == [426, 566, 111, 986, 629]
    assert list(Share(range(100_000), 5)) == [14750, 65197, 47856, 94972, 99375]
    dice = Dice(5)
    rolls = ((0, "image", 0), (0, "text", 0), (0, "replacement", 1), (7, "strong", 0))
    rolled = [int(dice.roll(*roll).integers(10**9)) for roll in rolls]
    assert rolled == [206986222, 903441648, 128712103, 489382697]
    first = dice.roll(3, "image").random(5)
    dice.roll(3, "image").integers(2**31, dtype=np.int32)  # leaves half of a number behind
    np.testing.assert_array_equal(dice.roll(3, "image").random(5), first)


def test_shares_say_what_is_used_of_each_source_and_replacements_are_of_the_same() -> None:
    mixed, dice = mixture(), np.random.default_rng(0)
    assert {name: count for name, (count, _) in mixed.shares().items()} == LENGTHS
    assert {name: share for name, (_, share) in mixed.shares().items()} == pytest.approx(WEIGHTS, abs=1e-6)
    others = {mixed.another(Address("b", 0), dice) for _ in range(300)}
    assert others == {Address("b", record) for record in range(LENGTHS["b"])}
    assert mixed.places == {"a": 0, "b": 1, "c": 2} and mixed.records("c") == range(40)


def test_a_mixture_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no source with a positive weight"):
        Mixture({}, {}, 0)
    with pytest.raises(ValueError, match="source 'b' has no records"):
        Mixture({"a": range(3), "b": ()}, {"a": 1.0, "b": 1.0}, 0)


def test_a_source_of_next_to_no_weight_has_its_turn_all_the_same() -> None:
    shares = Mixture({"a": range(3), "b": range(3)}, {"a": 1.0, "b": 1e-12}, 0).shares()
    assert 0 < shares["b"][1] < 1e-5


def test_turns_are_counted_by_source() -> None:
    counts = [0, 0, 0]
    for index in range(60):
        source, earlier = turn(index, (3, 2, 1))
        assert earlier == counts[source]
        counts[source] += 1
    assert counts == [30, 20, 10]


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [(10, 3, [0, 3, 6]), (4, 0, [0, 1, 2, 3]), (3, 5, [0, 1, 2]), (3, 3, [0, 1, 2]), (7, 1, [0])],
)
def test_places_are_spread_evenly(count: int, wanted: int, expected: list[int]) -> None:
    assert spread(count, wanted) == expected


def test_shots_need_labels() -> None:
    with pytest.raises(ValueError, match="shots=2 needs labels, and no record has one"):
        chosen_records(Numbers(5), "a", shots=2)
