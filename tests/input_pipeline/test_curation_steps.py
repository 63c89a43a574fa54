"""ALIGN's filter, difference hashes, and choices by licence and tag: planted faults go, and nothing else."""

from __future__ import annotations

import importlib
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from configs.settings.setting import defaults
from input_pipeline.curation import Item, Step, hamming
from input_pipeline.curation.alt_text import AltText
from input_pipeline.curation.attribution import Attribution
from input_pipeline.curation.deduplicate import Deduplicate, difference_hash, thumbnail_of
from input_pipeline.curation.where import Where, values_of
from input_pipeline.records import Caption, Record

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "lessismore_dhash_seed0.npz")


def step_of(kind: type[Step], **settings: Any) -> Any:
    module = importlib.import_module(f"configs.settings.curation.{kind.__module__.rpartition('.')[2]}")
    return kind({**defaults(module.SETTINGS), **settings}, name="step", seed=0)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def item(number: int, *texts: str, image: bytes | None = None, **fields: Any) -> Item:
    return Item(number, "web", Record(f"r{number}", image, tuple(map(Caption, texts)), **fields))


def decided(step: Step, items: list[Item]) -> list[str]:
    """The reasons, with the survey in two slices."""
    if step.surveys:
        half = len(items) // 2
        step.begin(step.settle(iter([step.survey(items[:half]), step.survey(items[half:])])))
    return [step(one).reason for one in items]


def test_each_violation_is_dropped_under_its_reason_and_the_rest_stays() -> None:
    good, small, narrow = (png(np.zeros(size, np.uint8)) for size in ((201, 602), (200, 300), (201, 603)))
    planted = [
        *(("a dog in the park", good, ""),) * 10,  # as many images as may share a text
        *(("image for sale", good, "shared text"),) * 11,
        ("a dog", good, "short text"),
        (" ".join(["dog"] * 20), good, ""),
        (" ".join(["dog"] * 21), good, "long text"),
        ("a dog in a park", small, "small image"),
        ("the dog in a park", narrow, "narrow image"),
        ("one dog in a park", b"no image", "no usable image"),
    ]
    items = [item(number, text, image=image) for number, (text, image, _) in enumerate(planted)]
    assert decided(step_of(AltText), items) == [reason for _, _, reason in planted]


def test_a_text_with_a_word_or_a_pair_that_is_not_among_the_most_frequent_is_dropped() -> None:
    texts = [*("a dog in the park",) * 3, "a dog in xq7", "the dog in park"]
    items = [item(number, text) for number, text in enumerate(texts)]
    frequent = 5 + 4  # unigrams and bigrams of the first; rarer are 'xq7', 'in xq7', 'the dog' and 'in park'
    step = step_of(AltText, side_above=0, aspect_below=0, frequent=frequent)
    assert decided(step, items) == [""] * 3 + ["rare words"] * 2
    assert decided(step_of(AltText, side_above=0, aspect_below=0, frequent=frequent + 4), items) == [""] * 5


@pytest.mark.parametrize(("need", "expected"), [("all", "short text"), ("any", "")])
def test_one_good_text_of_several_is_enough_where_any_is(need: str, expected: str) -> None:
    step = step_of(AltText, side_above=0, aspect_below=0, need=need)
    assert decided(step, [item(0, "dog", "a dog in the park")]) == [expected]
    assert decided(step, [item(1, "dog"), item(2)]) == ["short text", "no text"]
    assert decided(step, [item(3, "dog", "a cat")]) == ["short text"]


def test_as_many_texts_as_may_be_and_what_is_said_of_those_that_go() -> None:
    step = step_of(AltText, side_above=0, aspect_below=0, most_texts=2, most_images=2, kinds=("", "b"))
    said = [f"this is text {letter}" for letter in "abc"]
    items = [item(0, *said[:2]), item(1, *said), item(2, said[2], said[2]), item(3, said[2])]
    assert decided(step, items) == ["", "many texts", "shared text", "shared text"]
    assert step(items[1]).detail == "3" and step(items[2]).detail == said[2]
    assert step.facts() == {"texts": 3, "unigrams_and_bigrams": 6 + 5, "shared_texts": 1}
    other = Item(4, "web", Record("r4", None, (Caption("this is text d", "c"),)))
    assert step(other).reason == "no text"
    assert step.survey([items[2]])["texts"][0][1] == 1  # an image counts once


@pytest.mark.parametrize(
    ("settings", "size", "said"),
    [
        ({"side_above": 0, "aspect_below": 2.0}, (10, 20), ("narrow image", "20x10")),
        ({"side_above": 0, "aspect_below": 2.0}, (19, 10), ("", "")),
        ({"side_above": 9, "aspect_below": 0.0}, (9, 90), ("small image", "90x9")),
        ({"side_above": 8, "aspect_below": 0.0}, (90, 9), ("", "")),
    ],
)
def test_size_and_shape_are_judged_by_themselves(settings: Any, size: Any, said: Any) -> None:
    step = step_of(AltText, **settings)
    one = item(0, "a dog in the park", image=png(np.zeros(size, np.uint8)))
    decided(step, [one])
    assert (step(one).reason, step(one).detail) == said


def test_hashes_and_what_stays_are_the_authors() -> None:
    hashes = []
    for pixels, thumbnail, bits in zip(
        GOLDEN["images"], GOLDEN["thumbnails"], GOLDEN["hash_bits"], strict=True
    ):
        np.testing.assert_array_equal(thumbnail_of(Image.fromarray(pixels)), thumbnail)
        hashes.append(difference_hash(thumbnail))
        assert hashes[-1] == int("".join(map(str, bits.astype(int))), 2)
    distances = [[(one ^ other).bit_count() for other in hashes] for one in hashes]
    np.testing.assert_array_equal(distances, GOLDEN["distances"])
    groups = map(str, GOLDEN["group"].tolist())
    items = [
        item(number, image=png(pixels), group=group)
        for number, (pixels, group) in enumerate(zip(GOLDEN["images"], groups, strict=True))
    ]
    step = step_of(Deduplicate, group="group", distance=int(GOLDEN["threshold"]))
    kept = [number for number, reason in enumerate(decided(step, items)) if not reason]
    assert kept == sorted(GOLDEN["kept_ids"].tolist())


def test_one_of_near_copies_stays_in_each_group() -> None:
    rng = np.random.default_rng(0)
    pictures = [
        np.asarray(Image.fromarray(rng.integers(0, 255, (8, 9), np.uint8)).resize((72, 64))) for _ in range(6)
    ]
    copies = [np.clip(one.astype(int) + 2, 0, 255).astype(np.uint8) for one in pictures]
    images = [*pictures, *copies, *copies]
    items = [item(k, image=png(one), group=str(k // 12)) for k, one in enumerate(images)]
    hashes = [difference_hash(thumbnail_of(Image.fromarray(one))) for one in images]
    for group, expected in (("", 6), ("group", 12)):
        reasons = decided(step_of(Deduplicate, group=group), items)
        assert reasons.count("") == expected and {*reasons} == {"", "near-duplicate"}
        kept = [k for k, reason in enumerate(reasons) if not reason]
        together = [(i, j) for i in kept for j in kept if i < j and (not group or i // 12 == j // 12)]
        assert min((hashes[i] ^ hashes[j]).bit_count() for i, j in together) > 6
    said = step_of(Deduplicate)
    assert decided(said, [item(0, image=b"no image"), item(1)]) == ["no usable image"] * 2


def test_only_what_stays_drops_others() -> None:
    """Six bits apart is near, seven is not; what is near to a dropped image alone stays."""
    six, seven = (1 << 6) - 1, (1 << 7) - 1
    hashes = [0, six, six << 6, six ^ seven << 32, six << 6 | six]
    step = step_of(Deduplicate)
    rows = [(k, "", f"{value:016x}") for k, value in enumerate(hashes)]
    step.begin(step.settle(iter([rows[:2], [], rows[2:]])))
    said = [step(item(number)) for number in range(len(hashes))]
    assert [one.reason for one in said] == ["", "near-duplicate", "near-duplicate", "", ""]
    assert [one.scores for one in said[1:3]] == [{"distance": 6, "nearest": 0}] * 2
    step.begin(step.settle(iter([[(0, "", f"{0:016x}"), (1, "", f"{seven:016x}")], []])))
    assert [step(item(number)).reason for number in range(2)] == ["", ""]
    step.begin(step.settle(iter([])))
    assert step(item(0, image=png(np.zeros((9, 9), np.uint8)))).reason == "no usable image"
    step.begin(step.settle(iter([[(1, "a", f"{0:016x}"), (3, "b", f"{0:016x}"), (5, "a", f"{1:016x}")]])))
    assert [step(item(number)).reason for number in range(7)] == [
        *("no usable image", "") * 2,
        *("no usable image", "near-duplicate", "no usable image"),
    ]
    assert step(item(5)).detail == "1.0 bits from row 1 of scores.parquet"


@pytest.mark.parametrize(("words", "distance"), [(1, 6), (1, 1), (1, 13), (4, 31)])
def test_near_hashes_are_those_that_a_search_of_all_finds(
    words: int, distance: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairwise comparison, also where there are buckets of few strings, and many copies of one."""
    monkeypatch.setattr(hamming, "_FEW", 16)
    monkeypatch.setattr(hamming, "_CHUNK", 64)
    monkeypatch.setattr(hamming, "_PAIRS", 256)
    rng = np.random.default_rng(distance)
    hashes = rng.integers(0, 2**64, (800, words), np.uint64)
    hashes = hashes[rng.integers(0, len(hashes), 1500)]
    for _ in range(distance + 2):
        flipped = np.flatnonzero(rng.random(len(hashes)) < 0.5)
        bits = np.uint64(1) << rng.integers(0, 64, len(flipped)).astype(np.uint64)
        hashes[flipped, rng.integers(0, words, len(flipped))] ^= bits
    hashes[::9] = hashes[5]
    kept, expected = list[int](), []
    for place, value in enumerate(hashes):
        bits = hamming.distances(hashes[kept], value[None]) if kept else np.array([999])
        nearest = int(bits.argmin())
        near = bits[nearest] <= distance
        expected.append((int(bits[nearest]), kept[nearest]) if near else (-1, -1))
        kept += [] if near else [place]
    found = hamming.near_before(hashes, distance)
    assert 200 < len(kept) < 1300
    assert [*zip(found.distance.tolist(), found.place.tolist(), strict=True)] == expected


def test_pdq_finds_a_picture_in_another_size_and_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pdqhash")
    rng = np.random.default_rng(0)
    small = [Image.fromarray(rng.integers(0, 255, (12, 12, 3), np.uint8)) for _ in range(3)]
    sizes = [(128, 128)] * 3 + [(160, 144)]
    pictures = [np.asarray(one.resize(size)) for one, size in zip([*small, small[1]], sizes, strict=True)]
    items = [item(number, image=png(pixels)) for number, pixels in enumerate(pictures)]
    step = step_of(Deduplicate, hash="pdq", distance=31)
    assert decided(step, items) == ["", "", "", "near-duplicate"] and step(items[3]).scores["nearest"] == 1
    monkeypatch.setitem(sys.modules, "pdqhash", None)
    with pytest.raises(ValueError, match="pip install pdqhash"):
        step_of(Deduplicate, hash="pdq")


@pytest.mark.parametrize(
    ("settings", "fields", "expected"),
    [
        ({"of": "license", "any_of": ("CC0",)}, {"extras": {"license": "CC0"}}, ""),
        ({"of": "license", "any_of": ("CC0",)}, {"extras": {"license": "MIT"}}, "license not wanted"),
        ({"of": "license", "any_of": ("CC0",)}, {}, "no license"),
        ({"none_of": ("man", "person")}, {"tags": ("dog", "person")}, "tags refused"),
        ({"none_of": ("person",)}, {"tags": ("persona",)}, ""),
        ({"none_of": ("person",)}, {}, ""),
        ({"of": "person", "within": (0.0, 0.2)}, {"extras": {"person": 0.1}}, ""),
        ({"of": "person", "within": (0.0, 0.2)}, {"extras": {"person": 0.3}}, "person out of range"),
        ({"of": "person", "within": (0.0, 0.2)}, {"extras": {"person": 0.2}}, ""),
        ({"of": "person", "within": (0.0, 0.2)}, {"extras": {"person": 0.0}}, ""),
        ({"of": "person", "within": (0.0, 0.2)}, {"extras": {"person": (0.1, 0.3)}}, "person out of range"),
        ({"of": "person", "within": (0.0, 0.2)}, {"extras": {"person": ""}}, "no person"),
        ({"of": "person", "within": (0.0, 0.2)}, {"extras": {"person": "often"}}, "person out of range"),
        ({"of": "person", "within": (0.0, 0.2)}, {"extras": {"person": float("nan")}}, "person out of range"),
    ],
)
def test_records_are_chosen_by_what_they_say(
    settings: dict[str, Any], fields: dict[str, Any], expected: str
) -> None:
    assert decided(step_of(Where, **settings), [item(0, **fields)]) == [expected]


def test_who_cannot_be_named_is_not_kept() -> None:
    step = step_of(Attribution)
    said = [
        item(0, extras={"license": "CC0", "creator": "Ada\tB"}),
        item(1, extras={"license": "CC0"}),
        item(2),
    ]
    assert decided(step, said) == ["", "no creator", "no license"]
    assert step.line("r0", step(said[0]).scores) == "r0\tCC0\tAda B"
    assert step(said[1]).detail == "'creator' is empty" and step(said[1]).scores == {
        "license": "CC0",
        "creator": "",
    }
    assert decided(step_of(Attribution, need_license=False, need_creator=False), said) == [""] * 3


def test_what_every_record_has_can_be_asked_for() -> None:
    full, empty = item(0, tags=("a", "b"), label="l", group="g", extras={"n": 0}), item(1)
    names = ("id", "source", "tags", "label", "group", "n")
    assert [values_of(full, name) for name in names] == [("r0",), ("web",), ("a", "b"), ("l",), ("g",), (0,)]
    assert [values_of(empty, name) for name in names] == [("r1",), ("web",), (), (), (), ()]
