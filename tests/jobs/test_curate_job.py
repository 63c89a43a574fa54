"""`--job=curate`: the same files for any slices, processes and interruptions, ids that a source reads, clear errors."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import main
from input_pipeline.curation import work as work_module
from input_pipeline.sources import open_source
from input_pipeline.subsets import entry_records

ROOT = Path(__file__).resolve().parents[2]
METACLIP = ("--job=curate", "--config=configs/curate/metaclip.py", "--config.curate.processes=1")
SMALL = (
    *("--config.curation.match.least=2", "--config.curation.match.kinds=('title',)"),
    "--config.curation.balance.t=1",
)
FILES = ("kept.txt", "scores.parquet", "report.json", "match_entries.txt", "report.html")


@pytest.fixture(scope="module")
def some(quickstart: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of which one has no image and two an id."""
    rows = pq.read_table(quickstart / "val.parquet").slice(0, 120).to_pylist()
    rows[5]["id"] = rows[4]["id"]
    path = tmp_path_factory.mktemp("data") / "some.parquet"
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(quickstart / "val.parquet")), path)
    return path


@pytest.fixture(scope="module")
def whole(some: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of it in one slice."""
    output = tmp_path_factory.mktemp("whole")
    shutil.rmtree(output)
    assert run(some, output) == 0
    return output


def run(source: Path, output: Path, *flags: str) -> int:
    return main.main([*METACLIP, *SMALL, f"--source={source}", f"--output={output}", *flags])


def same(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in FILES)


def test_slices_do_not_change_a_byte_nor_does_a_kill_between_them(
    some: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = []

    def killed_at_the_seventh(path: Path, content: bytes) -> None:
        writes.append(path)
        if len(writes) == 7:
            raise KeyboardInterrupt
        write_whole(path, content)

    write_whole = work_module.write_whole
    monkeypatch.setattr(work_module, "write_whole", killed_at_the_seventh)
    assert run(some, tmp_path, "--config.curate.slice=40") == 130
    assert not (tmp_path / "report.json").exists() and (tmp_path / "work").is_dir()
    assert run(some, tmp_path, "--config.curate.slice=40") == 0
    assert same(tmp_path, whole) and not (tmp_path / "work").exists()
    # The request, three passes of three slices, of which one was written twice, two plans, the report.
    assert len(writes) == 1 + (3 * 3 + 1) + 2 + 1
    before = len(writes)
    assert run(some, tmp_path, "--config.curate.slice=40") == 0 and len(writes) == before


@pytest.mark.slow
def test_processes_do_not_change_a_byte(some: Path, whole: Path, tmp_path: Path) -> None:
    assert run(some, tmp_path, "--config.curate.slice=40", "--config.curate.processes=3") == 0
    assert same(tmp_path, whole)


def test_a_source_reads_the_ids_that_are_kept(
    some: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads((whole / "report.json").read_text(encoding="utf-8"))
    ids = (whole / "kept.txt").read_text(encoding="utf-8").splitlines()
    assert 0 < len(ids) == report["kept"] < report["records"] == 120 and report["repeated_ids"] == 2
    entry = {"format": "parquet", "path": str(some), "keep_ids": str(whole / "kept.txt")}
    source = open_source(entry)
    assert {source[number].id for number in entry_records(source, "some", entry)} == {*ids}
    scores = pq.read_table(whole / "scores.parquet").to_pylist()
    assert len(scores) == 120 and [row["id"] for row in scores if row["kept"]] == ids
    for row in scores:
        assert row["kept"] == (row["reason"] == "") and (row["match_entries"] or not row["kept"])
    steps = {step["name"]: step for step in report["steps"]}
    assert steps["balance"]["seen"] == steps["match"]["kept"] and steps["balance"]["facts"]["t"] == 1
    dropped = sum(count for step in steps.values() for count in step["dropped"].values())
    assert all(
        step["removed"] == pytest.approx(1 - step["kept"] / step["seen"], abs=1e-6) for step in steps.values()
    )
    assert dropped == 120 - len(ids) and steps["balance"]["examples"]["balanced away"]
    assert run(some, whole) == 0
    assert "keep_ids=" in capsys.readouterr().out


def test_another_seed_is_refused_in_the_same_folder_and_keeps_others(
    some: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(some, whole, "--config.curate.seed=1") == 2
    assert "holds a curation of other seed" in capsys.readouterr().err
    assert run(some, tmp_path, "--config.curate.seed=1") == 0
    assert (tmp_path / "kept.txt").read_bytes() != (whole / "kept.txt").read_bytes()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--config.curate.steps=('balance',)",), "put a step of kind 'match' before it"),
        (("--config.curate.steps=('matching',)",), "'matching' is not in curation"),
        (("--config.curate.steps=('match','match')",), "names one twice"),
        (("--config.curate.steps=()",), "curate.steps is empty"),
        (("--config.curation.match.entries=nowhere.txt",), "nowhere.txt"),
        (("--config.curation.match.least=100000",), "no word occurs 100000 times"),
        (
            ("--config.curation.match.entries={entries}",),
            "none of 120 records is kept: match dropped 118 (no entry)",
        ),
        (("--config.curation.where.within=(1,)",), "must be two numbers"),
        (("--config.curation.mine={'kind': 'nowhere.at:All'}",), "there is no module 'nowhere'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    some: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    (tmp_path / "entries.txt").write_text("zyzzyva\n", encoding="utf-8")
    filled = [flag.replace("{entries}", str(tmp_path / "entries.txt")) for flag in flags]
    assert run(some, tmp_path / "output", *filled) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list((tmp_path / "output").glob("kept.txt"))


def test_a_step_of_somebody_elses_goes_where_ours_go(
    some: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "curation.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "short_ids.py").write_text(code[0], encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    flags = (
        "--config.curation.mine={'kind': 'short_ids:ShortIds', 'most': 20}",
        "--config.curate.steps=('mine',)",
    )
    assert run(some, tmp_path / "output", *flags) == 0
    rows: list[dict[str, Any]] = pq.read_table(tmp_path / "output" / "scores.parquet").to_pylist()
    assert {
        row["mine_length"] == len(row["id"]) and row["kept"] == (len(row["id"]) <= 20) for row in rows
    } == {True}


def test_records_of_two_sources_are_told_apart(some: Path, tmp_path: Path) -> None:
    """Both have the same ids."""
    sources = {
        "one": {"path": str(some)},
        "other": {"path": str(some), "fraction": 0.5},
        "off": {"path": str(some), "weight": 0.0},
    }
    flags = (f"--config.data.sources={sources}", "--config.curate.slice=50")
    assert main.main([*METACLIP, *SMALL, *flags, f"--output={tmp_path}"]) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {name: source["records"] for name, source in report["sources"].items()} == {
        "one": 120,
        "other": 60,
    }
    scores = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    for name, source in report["sources"].items():
        ids = (tmp_path / source["keep_ids"]).read_text(encoding="utf-8").splitlines()
        assert source["keep_ids"] == f"{name}/kept.txt" and len(ids) == source["kept"]
        assert ids == [row["id"] for row in scores if row["kept"] and row["source"] == name]
    decided = {(row["source"], row["id"]): row["kept"] for row in scores}
    alike = [decided["one", name] == kept for (source, name), kept in decided.items() if source == "other"]
    assert alike.count(False) > 3  # each source rolls its own dice


def test_pass_keeps_what_has_a_licence_and_a_creator_and_no_people(
    quickstart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ("--job=curate", "--config=configs/curate/pass.py", "--config.curate.processes=1")
    path = f"--config.data.sources.quickstart.path={quickstart / 'val.parquet'}"
    assert main.main([*config, path, f"--output={tmp_path}"]) == 0
    kept = (tmp_path / "kept.txt").read_text(encoding="utf-8").splitlines()
    lines = (tmp_path / "ATTRIBUTION.tsv").read_text(encoding="utf-8").splitlines()
    rows = {row["id"]: row for row in pq.read_table(quickstart / "val.parquet").to_pylist()}
    assert [line.split("\t") for line in lines] == [
        [one, rows[one]["license"], rows[one]["creator"]] for one in kept
    ]
    expected = {
        name
        for name, row in rows.items()
        if row["license"].startswith(("CC-BY", "CC0")) and row["creator"] and "person" not in row["tags"]
    }
    assert {*kept} <= expected and all(rows[one]["creator"] and rows[one]["license"] for one in kept)
    assert "people: tags refused" in capsys.readouterr().out or {*kept} == expected
