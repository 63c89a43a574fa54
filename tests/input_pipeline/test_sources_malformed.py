"""Every malformed tar, parquet, JSON and caption does what the manifest of odd inputs says."""

from __future__ import annotations

import json
import resource
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from input_pipeline.decode import decode_image
from input_pipeline.records import BadRecord, Record
from input_pipeline.sources import Source, open_source
from input_pipeline.views.text import TextView

FORMATS = {"tar": "webdataset", "parquet": "parquet", "json": "jsonl", "samples": "folder"}
# Where the manifest leaves the answer open: how many samples come out and how many are counted as bad, or the
# error. The docstring of the format's module says why.
OURS: dict[str, tuple[int, int] | str] = {
    "tar/truncated_in_member.tar": (5, 1),
    "tar/truncated_in_header.tar": (5, 1),
    "tar/bad_header_checksum.tar": (9, 2),
    "tar/duplicate_keys_adjacent.tar": (3, 0),
    "tar/duplicate_extension.tar": (1, 1),
    "tar/interleaved.tar": (0, 4),
    "tar/path_traversal.tar": (2, 0),
    "tar/absolute_path.tar": (2, 0),
    "tar/dotted_names.tar": "it has v1.0001.jpg",
    "tar/gzip_named.tar": "is compressed",
    "tar/gz_truncated.tar.gz": "is compressed",
    "tar/size_8gib_header.tar": "no 'jpg|",
    "tar/json_broken.tar": (1, 1),
    "parquet/caption_is_string.parquet": (1, 0),
    "parquet/duplicate_ids.parquet": (2, 0),
    "json/caption_number_null.jsonl": (0, 3),
    "json/duplicate_keys.json": (0, 1),
}


@pytest.fixture(autouse=True)
def limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of its own, and a memory in which a bomb would stand out."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kilobytes


def entries(folder: Path, *kinds: str) -> list[dict]:
    manifest = json.loads((folder / "manifest.json").read_text())
    return [entry for entry in manifest["entries"] if entry["kind"] in kinds]


def outcome(source: Source) -> tuple[list[Record], Counter[str]]:
    """The usable records, and the others by reason."""
    usable, skipped = [], Counter[str]()
    for index in range(len(source)):
        try:
            record = source[index]
            TextView().usable(record)
            decode_image(record.image or b"")
            usable.append(record)
        except BadRecord as bad:
            skipped[bad.reason.name] += 1
    return usable, skipped


def test_every_container_of_the_manifest_does_as_it_says(odd_inputs: Path) -> None:
    cases = entries(odd_inputs, "tar", "parquet", "json")
    assert len(cases) >= 60
    wrong = {entry["file"]: problem for entry in cases if (problem := container_problem(odd_inputs, entry))}
    assert not wrong
    assert not any(Path(entry["must_not_exist"]).exists() for entry in cases if "must_not_exist" in entry)


def container_problem(folder: Path, entry: dict) -> str:
    name, expect, ours = entry["file"], entry["expect"], OURS.get(entry["file"])
    try:
        source = open_source({"format": FORMATS[entry["kind"]], "path": str(folder / name)})
    except ValueError as error:
        if name not in str(error):
            return f"the error does not name it: {error}"
        if isinstance(ours, str):
            return "" if ours in str(error) else f"another error: {error}"
        return "" if "error" in expect else f"refused: {error}"
    if expect == "error" or isinstance(ours, str):
        return "opened"
    usable, skipped = outcome(source)
    found = len(usable), sum(skipped.values())
    if ours and ours != found:
        return f"{found} where we promise {ours}"
    good = (
        found[0] == entry.get("samples", found[0])
        and found[1] == entry.get("skipped", found[1])
        and entry.get("samples_at_least", 0) <= found[0] <= entry.get("samples_at_most", found[0])
        and (expect != "partial" or found[1] > 0)
    )
    return "" if good else f"{found[0]} usable, {dict(skipped)}"


def test_every_caption_of_the_manifest_does_as_it_says(odd_inputs: Path) -> None:
    source = open_source({"format": "folder", "path": str(odd_inputs / "samples")})
    usable, skipped = outcome(source)
    found = {Path(record.id).stem: record for record in usable}
    cases = {entry["file"].split("/")[1]: entry for entry in entries(odd_inputs, "samples")}
    assert len(source) == len(cases) == 20 and len(found) + sum(skipped.values()) == 20
    wrong = [
        name
        for name, entry in cases.items()
        if (entry["expect"] == "load" and name not in found) or (entry["expect"] == "skip" and name in found)
    ]
    assert not wrong
    texts = {name: record.captions[0].text for name, record in found.items()}
    assert all(entry["caption"] == texts[name] for name, entry in cases.items() if "caption" in entry)
    assert all(
        text.isprintable() for name, text in texts.items() if name not in ("caption_rtl", "caption_emoji")
    )
    assert len(texts["caption_1mb_no_space"]) >= 1_000_000
    assert texts["caption_latin1"] == "un café crème à la française"
    assert texts["caption_crlf"] == "a red disc second line"
    assert {texts[f"caption_{name}"] for name in ("utf16", "nul")} == {"a red disc"}


def test_captions_in_a_tar_are_read_as_in_a_folder(odd_inputs: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for file in sorted((odd_inputs / "samples").iterdir()):
            archive.add(file, file.name)
    packed, _ = outcome(open_source({"format": "webdataset", "path": str(tmp_path / "a.tar")}))
    plain, _ = outcome(open_source({"format": "folder", "path": str(odd_inputs / "samples")}))
    assert [record.captions for record in packed] == [record.captions for record in plain]
