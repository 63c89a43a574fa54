"""The law of the stream: batch k is a pure function of (seed, k), whoever reads it and however."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from input_pipeline.records import Reason
from input_pipeline.shuffle import Epochs
from input_pipeline.stream import PAIRS, Stream, make_stream
from input_pipeline.tokenizers import Tokenizer

Batch = dict[str, np.ndarray]
Build = Callable[..., Stream]
IMAGE = {"crop_scale": (0.3, 1.0), "crop_ratio": (0.75, 1.33), "flip": True}


@pytest.fixture
def build(tokenizer: Tokenizer) -> Build:
    """A stream of files, each with its weight."""

    def build_stream(
        *files: Path,
        weights: tuple[float, ...] = (),
        batch_size: int = 8,
        seed: int = 3,
        choice: str = "uniform",
        fields: tuple[str, ...] = PAIRS,
        **data: Any,
    ) -> Stream:
        weights = weights or (1.0,) * len(files)
        sources = {
            file.stem: {"format": "parquet", "path": str(file), "weight": weight}
            for file, weight in zip(files, weights, strict=True)
        }
        return make_stream(
            {"sources": sources, "image": IMAGE, "text": {"choice": choice}, **data},
            preprocessing={"resolution": 8, "resize": "pad"},
            tokenizer=tokenizer,
            batch_size=batch_size,
            seed=seed,
            fields=fields,
        )

    return build_stream


def take(batches: Iterator[Batch], count: int) -> list[Batch]:
    try:
        return list(itertools.islice(batches, count))
    finally:
        batches.close()  # type: ignore[attr-defined]


def assert_same(some: list[Batch], others: list[Batch]) -> None:
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name, strict=True)


def global_batches(stream: Stream, count: int, hosts: int, **options: Any) -> list[Batch]:
    """The batches of all hosts, put together in the order of the hosts."""
    shares = [
        take(stream.batches(process_index=host, process_count=hosts, **options), count)
        for host in range(hosts)
    ]
    return [
        {name: np.concatenate([share[name] for share in parts]) for name in parts[0]}
        for parts in zip(*shares, strict=True)
    ]


def test_a_batch_has_fixed_shapes_and_consecutive_indices(
    build: Build, write_parquet: Callable[..., Path]
) -> None:
    for number, batch in enumerate(take(build(write_parquet(10)).batches(), 3)):
        assert {name: (array.shape, str(array.dtype)) for name, array in batch.items()} == {
            "image": ((8, 8, 8, 3), "uint8"),
            "text": ((8, 16), "int32"),
            "text_mask": ((8, 16), "bool"),
            "index": ((8,), "int64"),
            "own": ((8, 2), "int64"),
            "replaced": ((8,), "uint8"),
            "truncated": ((8,), "bool"),
        }
        assert batch["index"].tolist() == list(range(number * 8, number * 8 + 8))


@pytest.fixture(params=["mixed", "single_source"])
def mixed(request: pytest.FixtureRequest, build: Build, write_parquet: Callable[..., Path]) -> Stream:
    """Two sources of unequal weight and odd lengths, one with bad records, and many views: the hardest case."""
    return build(
        write_parquet(13, "good"),
        write_parquet(7, "bad", images={2: b"no image", 5: None}),
        weights=(0.6, 0.4),
        fields=(*PAIRS, "views", "captions", "captions_mask", "text_id", "group_id", "source_id"),
        image_views={"views": {"count": 2, "resolution": 4}},
        text_views={"captions": {"count": 3}},
        single_source_batches=request.param == "single_source",
    )


@pytest.mark.parametrize("hosts", [2, 4, 8])
def test_hosts_put_together_are_the_one_host_batch(mixed: Stream, hosts: int) -> None:
    alone = take(mixed.batches(), 6)
    assert any(batch["replaced"].any() for batch in alone)
    assert_same(global_batches(mixed, 6, hosts), alone)


@pytest.mark.parametrize(
    "options", [{"threads": 0}, {"threads": 1, "prefetch": 1}, {"threads": 5, "prefetch": 3}]
)
def test_threads_change_nothing(mixed: Stream, options: dict[str, int]) -> None:
    assert_same(take(mixed.batches(**options), 9), take(mixed.batches(), 9))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mixed", "hosts", "workers"), [("mixed", 1, 3), ("single_source", 2, 1)], indirect=["mixed"]
)
def test_worker_processes_change_nothing(mixed: Stream, hosts: int, workers: int) -> None:
    assert_same(global_batches(mixed, 7, hosts, workers=workers), take(mixed.batches(), 7))


@pytest.mark.slow
@pytest.mark.parametrize("mixed", ["single_source"], indirect=True)
def test_resuming_with_other_workers_and_hosts_goes_on_where_it_was(mixed: Stream) -> None:
    assert_same(global_batches(mixed, 2, hosts=2, workers=1, start=3), take(mixed.batches(), 5)[3:])


def test_resuming_after_any_step_is_the_uninterrupted_stream(mixed: Stream) -> None:
    whole = take(mixed.batches(), 10)
    for start in range(10):
        assert_same(take(mixed.batches(start), min(2, 10 - start)), whole[start : start + 2])
    far = take(mixed.batches(10**9), 1)[0]
    assert far["index"][0] == 8 * 10**9


def test_the_stream_depends_on_its_seed_alone(build: Build, write_parquet: Callable[..., Path]) -> None:
    path = write_parquet(20)
    assert_same(take(build(path).batches(), 4), take(build(path).batches(), 4))
    one, other = (take(build(path, seed=seed).batches(), 4) for seed in (3, 4))
    assert not any(np.array_equal(a["image"], b["image"]) for a, b in zip(one, other, strict=True))


def test_every_epoch_shows_every_record_once_in_a_new_order(
    build: Build, write_parquet: Callable[..., Path]
) -> None:
    stream = build(write_parquet(13))
    epochs = [[stream.address(index).record for index in range(13 * e, 13 * e + 13)] for e in range(20)]
    assert all(sorted(epoch) == list(range(13)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 20


@pytest.mark.parametrize("length", [1, 2, 3000, 70_000])
def test_few_and_many_records_alike_come_in_whole_epochs(length: int) -> None:
    order = Epochs(length, seed=3, name="a")
    for epoch in (0, 2):
        shown = [order[index] for index in range(epoch * length, (epoch + 1) * length)]
        assert sorted(shown) == list(range(length))
        assert length < 3 or shown != list(range(length))
    assert length < 3 or [order[i] for i in range(9)] != [Epochs(length, 3, "b")[i] for i in range(9)]


def test_a_mixture_keeps_its_weights_and_every_source_its_epochs(
    build: Build, write_parquet: Callable[..., Path]
) -> None:
    one, two, three = write_parquet(13, "one"), write_parquet(5, "two"), write_parquet(3, "three")
    stream = build(one, two, weights=(3.0, 1.0))
    addresses = [stream.address(index) for index in range(400)]
    assert Counter(address.source for address in addresses) == {"one": 300, "two": 100}
    assert stream.records == {"one": 13, "two": 5}
    of_two = [address.record for address in addresses if address.source == "two"]
    assert all(sorted(of_two[start : start + 5]) == list(range(5)) for start in range(0, 100, 5))
    # Other sources, weights and their order leave a source's own order alone.
    others = build(three, two, one, weights=(1.0, 1.0, 0.5))
    addresses = [others.address(index) for index in range(250)]
    assert [address.record for address in addresses if address.source == "two"] == of_two


def test_weight_zero_is_not_even_opened(build: Build, write_parquet: Callable[..., Path]) -> None:
    path = write_parquet(13)
    nowhere = path.parent / "nowhere.parquet"
    assert_same(
        take(build(path, nowhere, weights=(1.0, 0.0)).batches(), 3),
        take(build(path, weights=(0.2,)).batches(), 3),
    )


def test_bad_records_are_replaced_and_their_reason_kept(
    build: Build, write_parquet: Callable[..., Path]
) -> None:
    clean = build(write_parquet(16))
    expected = take(clean.batches(), 12)
    bad = {2: b"no image", 5: None, 11: b""}
    stream = build(write_parquet(16, images=bad))
    reasons = {2: Reason.UNDECODABLE, 5: Reason.MISSING_IMAGE, 11: Reason.MISSING_IMAGE}
    shown = take(stream.batches(), 12)
    for batch, wanted in zip(shown, expected, strict=True):
        own = [reasons.get(stream.address(int(index)).record, Reason.OK) for index in batch["index"]]
        assert batch["replaced"].tolist() == own
        good = batch["replaced"] == 0
        for name in ("image", "text", "text_mask", "index"):
            np.testing.assert_array_equal(batch[name][good], wanted[name][good])
        assert (batch["text_mask"].sum(1) > 2).all()
    assert sum((batch["replaced"] > 0).sum() for batch in shown) == 3 * 6


def test_a_source_without_one_good_record_is_an_error_that_says_why(
    build: Build, write_parquet: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(3, images=dict.fromkeys(range(3), b"no image"))
    with pytest.raises(
        ValueError, match=r"source 'data': none of 3 records looked at can be used \(3 undecodable\)"
    ):
        build(path)
    monkeypatch.setattr(
        "input_pipeline.stream.check_examples", lambda *_: None
    )  # they were good at the start
    stream = build(path)
    with pytest.raises(ValueError, match=r"source 'data': 100 records in a row are unusable, .* no image"):
        take(stream.batches(), 1)


def test_every_visit_looks_another_way_and_dice_do_not_touch_each_other(
    build: Build, write_parquet: Callable[..., Path]
) -> None:
    path = write_parquet(2)
    uniform = take(build(path, batch_size=64).batches(), 1)[0]
    assert len({image.tobytes() for image in uniform["image"]}) > 60
    assert len({text.tobytes() for text in uniform["text"]}) == 4
    first = take(build(path, batch_size=64, choice="first").batches(), 1)[0]
    assert len({text.tobytes() for text in first["text"]}) == 2
    np.testing.assert_array_equal(first["image"], uniform["image"])


def test_a_batch_may_be_larger_than_the_data(build: Build, write_parquet: Callable[..., Path]) -> None:
    stream = build(write_parquet(3), batch_size=32)
    assert take(stream.batches(), 2)[1]["index"].tolist() == list(range(32, 64))


def test_closing_stops_the_threads(mixed: Stream) -> None:
    before = set(threading.enumerate())
    batches = mixed.batches(threads=3)
    next(batches)
    started = set(threading.enumerate()) - before
    assert started
    batches.close()  # type: ignore[attr-defined]
    for thread in started:
        thread.join(5)
        assert not thread.is_alive()


def test_odd_settings_are_refused_before_anything_is_read(
    build: Build, write_parquet: Callable[..., Path]
) -> None:
    path = write_parquet(3)
    with pytest.raises(ValueError, match="batch_size 8 does not divide over 3 hosts"):
        build(path).batches(process_count=3)
    with pytest.raises(ValueError, match="process 2 of 2"):
        build(path).batches(process_index=2, process_count=2)
    with pytest.raises(ValueError, match=r"weight -1\.0"):
        build(path, weights=(-1.0,))
    with pytest.raises(ValueError, match="no source with a positive weight"):
        build(path, weights=(0.0,))
    with pytest.raises(ValueError, match="source 'empty' has no records"):
        build(write_parquet(0, "empty"))
    with pytest.raises(ValueError, match="choice 'best'"):
        build(path, choice="best")
    for size, seed in ((0, 0), (1, -1)):
        with pytest.raises(
            ValueError, match=f"batch_size {size} must be at least 1 and seed {seed} at least 0"
        ):
            make_stream({}, preprocessing={}, tokenizer=None, batch_size=size, seed=seed)  # type: ignore[arg-type]
