"""Conversion to shards: what is kept, what is dropped, and that neither processes nor interruptions change a byte."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from input_pipeline.decode import decode_image
from input_pipeline.prepare import Settings, WorkerFailed, prepare
from input_pipeline.prepare import conversion as conversion_module
from input_pipeline.prepare.convert import convert
from input_pipeline.prepare.fingerprint import Seen, fingerprint
from input_pipeline.prepare.workers import Work, converted
from input_pipeline.records import BadRecord, Caption, Reason, Record
from input_pipeline.sources import open_source
from input_pipeline.sources.array_record import decode_record

SETTINGS = Settings(max_side=64, quality=90, duplicate_tolerance=16, records_per_shard=10)


def picture(seed: int, width: int = 48, height: int = 32) -> np.ndarray:
    """A smooth random picture: like others of its seed at any size."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(array: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def record(image: bytes | None, **fields: Any) -> Record:
    return Record(**{"id": "a", "captions": (Caption("a picture"),), **fields, "image": image})


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_image_that_fits_keeps_its_bytes(kind: str) -> None:
    data = encoded(picture(0), kind)
    result = convert(record(data), SETTINGS)
    assert result.change == "unchanged" and data in result.data


@pytest.mark.parametrize(
    ("size", "expected"), [((200, 100), (64, 32)), ((90, 1000), (6, 64)), ((5000, 3), (64, 1))]
)
def test_a_large_image_is_scaled_down_to_the_longer_side(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    images: list[bytes] = []
    for kind in ("PNG", "JPEG"):
        result = convert(record(encoded(picture(1, *size), kind)), SETTINGS)
        assert result.change == "resized" and result.side == max(size)
        images.append(_image_of(result.data))
    shapes = {decode_image(data).shape for data in images}
    assert shapes == {(expected[1], expected[0], 3)}


def test_what_is_not_seen_as_it_is_stored_is_written_anew() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = convert(record(encoded(picture(2), "JPEG", exif=exif)), SETTINGS)
    assert turned.change == "re-encoded" and decode_image(_image_of(turned.data)).shape == (48, 32, 3)
    assert convert(record(encoded(picture(2), "BMP")), SETTINGS).change == "re-encoded"


def test_bad_records_say_why() -> None:
    data = encoded(picture(3))
    bad = [
        (record(None), Reason.MISSING_IMAGE),
        (record(data[:100]), Reason.UNDECODABLE),
        (record(b"<html>"), Reason.UNDECODABLE),
    ]
    for one, reason in bad:
        with pytest.raises(BadRecord) as caught:
            convert(one, SETTINGS)
        assert caught.value.reason == reason
    assert convert(record(data, captions=()), SETTINGS).captions == 0


def test_fingerprints_are_near_for_the_same_picture_and_far_for_others() -> None:
    originals = [Image.fromarray(picture(seed)) for seed in range(40)]
    copies = [
        Image.open(io.BytesIO(encoded(picture(seed, 80, 53), "JPEG", quality=60))).convert("RGB")
        for seed in range(40)
    ]
    colours = [Image.fromarray(np.ascontiguousarray(np.asarray(image)[..., ::-1])) for image in originals]
    seen = Seen(16)
    assert seen.keep_new(rows(originals)).all()
    assert seen.keep_new(rows(copies)).mean() < 0.1
    assert seen.keep_new(rows(colours)).mean() > 0.9


def test_the_search_finds_what_a_comparison_with_all_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("input_pipeline.prepare.fingerprint._RECENT", 40)  # so that most are in sorted arrays
    dice = np.random.default_rng(0)
    base = dice.integers(0, 256, (150, 80), dtype=np.uint8)
    stream = base[dice.integers(0, 150, 1000)].copy()
    for row in stream:  # 0 to 4 bits of the key, and sometimes a cell of the thumbnail, differ
        for bit in dice.integers(0, 64, dice.integers(0, 5)):
            row[bit // 8] ^= np.uint8(1 << bit % 8)
        if dice.random() < 0.2:
            row[40] = np.uint8(dice.integers(256))
    seen, found = Seen(16), []
    for start in range(0, 1000, 32):
        found += seen.keep_new(stream[start : start + 32]).tolist()
    kept: list[np.ndarray] = []
    for row, new in zip(stream, found, strict=True):
        others = np.array(kept, np.uint8).reshape(-1, 80)
        bits = np.bitwise_count(others[:, :8] ^ row[:8]).sum(1)
        cells = np.abs(others[:, 8:].astype(int) - row[8:]).max(1, initial=0)
        assert new == (not ((bits <= 3) & (cells <= 16)).any())
        if new:
            kept.append(row)
    assert 150 < len(kept) < 900


@pytest.fixture
def source(write_parquet: Callable[..., Path]) -> dict[str, Any]:
    """64 records: two copies of record 0, four broken ones, some too large; 58 pictures that stay."""
    images: dict[int, bytes | None] = {number: encoded(picture(number)) for number in range(64)}
    images |= {number: encoded(picture(number, 300, 200), "JPEG") for number in range(5, 64, 6)}
    images |= {20: encoded(picture(0, 90, 60), "JPEG"), 40: images[0]}
    images |= {7: None, 8: b"", 9: b"<html>", 63: encoded(picture(63))[:200]}
    return {"format": "parquet", "path": str(write_parquet(64, images=images, rows=8)), "columns": {}}


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_records_keep_their_order_and_all_that_is_said_about_them(
    source: dict[str, Any], tmp_path: Path
) -> None:
    report = prepare("mine", source, SETTINGS, tmp_path / "out", 1)
    assert (report.tally.kept, report.tally.duplicates, report.shards) == (58, 2, 6)
    assert report.tally.dropped == {"missing_image": 2, "undecodable": 2}
    assert "record 9 of source 'mine' ('data/9')" in report.tally.examples["undecodable"][0]
    before, after = (
        open_source(source),
        open_source({"format": "array_record", "path": str(tmp_path / "out")}),
    )
    numbers = [number for number in range(64) if number not in (7, 8, 9, 20, 40, 63)]
    assert len(after) == 58
    for place, number in enumerate(numbers):
        assert dataclasses.replace(after[place], image=None) == dataclasses.replace(
            before[number], image=None
        )
        assert max(decode_image(after[place].image or b"").shape) <= 64


@pytest.mark.parametrize("processes", [1, 2])
def test_all_captions_of_one_image_go_together(
    write_rows_of_captions: Path, tmp_path: Path, processes: int
) -> None:
    """A row for each of five captions; of the last image one row stands apart from the others."""
    entry = {"format": "csv", "path": str(write_rows_of_captions)}
    settings = dataclasses.replace(SETTINGS, records_per_shard=2)
    report = prepare("mine", entry, settings, tmp_path / "out", processes)
    after = open_source({"format": "array_record", "path": str(tmp_path / "out")})
    texts = [[caption.text for caption in after[place].captions] for place in range(len(after))]
    assert texts == [[f"caption {caption} of {number}" for caption in range(5)] for number in range(12)]
    tally = report.tally
    assert (tally.kept, tally.joined, tally.duplicates, tally.captions_left_out) == (12, 48, 1, 1)
    assert tally.seen == 61


@pytest.fixture
def write_rows_of_captions(tmp_path: Path) -> Path:
    lines = ["image,caption"]
    for number in range(12):
        (tmp_path / f"{number}.png").write_bytes(encoded(picture(number)))
        lines += [f"{number}.png,caption {caption} of {number}" for caption in range(5)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([*lines, "0.png,another of 0"]))
    return path


def test_processes_and_interruptions_change_nothing(
    source: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare("mine", source, SETTINGS, tmp_path / "one", 1)
    prepare("mine", source, SETTINGS, tmp_path / "three", 3)
    assert digests(tmp_path / "three") == digests(tmp_path / "one")

    def interrupted(work: Work, start: int, processes: int) -> Any:
        yield next(iter(converted(work, start, processes)))
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion_module, "converted", interrupted)
    folder, again = tmp_path / "interrupted", 0
    while again < 20:
        again += 1
        try:
            report = prepare("mine", source, SETTINGS, folder, 1)
            break
        except KeyboardInterrupt:
            with open(folder / "manifest.jsonl", "ab") as manifest:  # as a crash may leave the files
                manifest.write(b'{"file": "000')
            with open(folder / "fingerprints.bin", "ab") as file:
                file.write(b"more")
            if again == 3:
                monkeypatch.undo()
    assert again == 4 and report.tally == whole.tally and report.records_now < 64
    assert not (folder / "unfinished").exists() and digests(folder) == digests(tmp_path / "one")
    assert prepare("mine", source, SETTINGS, folder, 1).records_now == 0


def test_a_folder_with_something_else_is_refused(source: dict[str, Any], tmp_path: Path) -> None:
    prepare("mine", source, SETTINGS, tmp_path / "out", 1)
    with pytest.raises(ValueError, match="max_side=64, not 32"):
        prepare("mine", source, dataclasses.replace(SETTINGS, max_side=32), tmp_path / "out", 1)
    (tmp_path / "out" / "00002.array_record").write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"00002.array_record has 3 bytes"):
        prepare("mine", source, SETTINGS, tmp_path / "out", 1)


class Fatal:
    """Ten records; the one numbered `at` ends its worker, by an error or by a signal."""

    def __init__(self, at: int, number: int = 0) -> None:
        self.at, self.number = at, number

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> Record:
        if index == self.at:
            if self.number:
                os.kill(os.getpid(), self.number)
            raise ZeroDivisionError("a mistake")
        return record(encoded(picture(index)))


@pytest.mark.parametrize("number", [0, signal.SIGKILL])
def test_a_worker_that_fails_names_the_record(number: int) -> None:
    work = Work("fatal", Fatal(57, number), range(100), SETTINGS)
    with pytest.raises(WorkerFailed, match=r"record 57 of source 'fatal': .*(a mistake|signal 9)"):
        list(converted(work, 0, 2))


def rows(images: list[Image.Image]) -> np.ndarray:
    return np.stack([np.frombuffer(fingerprint(image), np.uint8) for image in images])


def _image_of(data: bytes) -> bytes:
    from input_pipeline.sources.array_record import decode_record

    return decode_record(data).image or b""


def test_an_image_that_would_not_shrink_stays_as_it_is() -> None:
    dice = np.random.default_rng(0)
    coarse = Image.fromarray(dice.integers(0, 256, (5, 5, 3), np.uint8)).resize((70, 70))
    small, large = io.BytesIO(), io.BytesIO()
    coarse.save(small, "JPEG", quality=20)
    coarse.save(large, "JPEG", quality=100)
    kept, shrunk = (convert(Record("x", data.getvalue()), SETTINGS) for data in (small, large))
    assert (kept.change, shrunk.change) == ("unchanged", "resized")
    assert decode_record(kept.data).image == small.getvalue() and kept.bytes_after == kept.bytes_before
    assert shrunk.bytes_after < shrunk.bytes_before
    gif = io.BytesIO()
    coarse.save(gif, "GIF")
    assert (
        convert(Record("x", gif.getvalue()), SETTINGS).change == "resized"
    )  # is re-encoded whatever it takes


def test_a_source_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="source 'mine': there is no file"):
        prepare(
            "mine", {"format": "parquet", "path": str(tmp_path / "a.parquet")}, SETTINGS, tmp_path / "out", 1
        )
