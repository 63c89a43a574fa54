"""`--job=suite`: all forty tasks from miniatures laid out as they are downloaded, gone on with task by task."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import main
from vlp.evaluation.suites.tasks import DATACOMP, Task

pytestmark = pytest.mark.slow
COUNT = 4  # images of a task


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (37 * number % 256, 91 * number % 256, 7 * number % 256)).save(buffer, "PNG")
    return buffer.getvalue()


def archive(file: Path, samples: list[dict[str, bytes]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as tar:
        for number, sample in enumerate(samples):
            for ending, data in sample.items():
                info = tarfile.TarInfo(f"s{number:07d}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def npy(row: list[int]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array(row))
    return buffer.getvalue()


def sample(task: Task, number: int) -> dict[str, bytes]:
    if task.kind == "zeroshot_retrieval":
        return {"png": picture(number), "txt": f"caption {number}\nanother of {number}".encode()}
    own = {"png": picture(number), "cls": str(number % 2).encode()}
    return {**own, "npy": npy([number % 2] * 4)} if "/" in task.key else own


def miniature(task: Task, below: Path) -> None:
    """A task's set as DataComp's script leaves it, WinoGAViL's as its authors publish it."""
    own = task.key.split("/", 1)[-1] if task.key.startswith(("fairness/", "misc/")) else task.key
    folder = below / f"wds_{own.replace('/', '-')}_test"
    if task.kind == "image_association":
        folder = below / "winogavil"
        (folder / "images").mkdir(parents=True)
        for number in range(COUNT):
            (folder / "images" / f"thing{number}.jpg").write_bytes(picture(number))
        names = json.dumps([f"thing{number}" for number in range(COUNT)] + ["thing0"] * 6)
        line = f'"{names.replace(chr(34), chr(39))}"'
        (folder / "winogavil_dataset.csv").write_text(
            f"cue,associations,candidates\nodd,\"['thing1','thing3']\",{line}\n"
            f"lost,\"['gone']\",\"['gone','thing1']\"\n"
        )
        return
    archive(folder / "test" / "0.tar", [sample(task, number) for number in range(COUNT)])
    (folder / "test" / "nshards.txt").write_text("1\n")
    objectives = ("race", "gender", "age", "toxic") if task.key.endswith("face") else ("",)
    begins = [f"{one}:" if one else "" for one in objectives]
    if task.kind == "zeroshot_retrieval":
        (folder / "dataset_type.txt").write_text("retrieval\n")
        return
    (folder / "classnames.txt").write_text("\n".join(f"{one}thing {n}" for one in begins for n in range(6)))
    lines = "\n".join(f"{one}a picture of a {{c}}." for one in begins)
    (folder / "zeroshot_classification_templates.txt").write_text(lines)


def suite(checkpoint: Path, copies: Path, output: Path, *more: str) -> int:
    given = (f"--checkpoint={checkpoint}", f"--source={copies}", f"--output={output}")
    return main.main(["--job=suite", *given, "--config.suite.batch_size=8", *more])


def test_forty_tasks_in_one_command_each_of_them_once(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies, output = tmp_path / "copies", tmp_path / "out"
    for task in DATACOMP[:-1]:
        miniature(task, copies)
    archive(
        copies / "wds_vtab-svhn_test/test/0.tar",
        [{"png": b"none", "cls": b"1"}, *(sample(DATACOMP[1], 1),) * 39],
    )
    assert suite(checkpoint, copies, output) == 0
    out = capsys.readouterr().out
    assert "left out: UTKFace" in out and "average: " in out  # which has no part in it
    svhn = output / "vtab_svhn.json"
    row, written = json.loads(svhn.read_text()), svhn.stat().st_mtime_ns
    assert row["dataset"] == "wds/vtab/svhn" and row["task"] == "zeroshot_classification"
    assert (row["images"], row["skipped"]) == (39, {"undecodable": 1})
    assert {"model", "pretrained", "metrics", "language"} <= row.keys()

    miniature(DATACOMP[-1], copies)
    (output / "mnist.json").unlink()
    assert suite(checkpoint, copies, output) == 0
    assert svhn.stat().st_mtime_ns == written and not any((output / "embeddings").iterdir())
    lines = [json.loads(line) for line in (output / "eval_results.jsonl").read_text().splitlines()]
    assert [line["dataset"] for line in lines] == [task.name for task in DATACOMP]
    main_metrics = [line["metrics"]["main_metric"] for line in lines]
    assert main_metrics[-2:] == [None, None] and None not in main_metrics[:-2]
    figures = json.loads((output / "datacomp.json").read_text())
    assert figures["datacomp/average"] == pytest.approx(np.mean(main_metrics[:-2]))
    page = (output / "datacomp.html").read_text()
    assert "Dollar Street" in page and "SVHN has 39 of 26,032 images" in page
    assert "WinoGAViL asks 1 of 2 queries" in page

    # A copy that is whole now, or lies elsewhere, is measured; others are not.
    kept, stl = (output / f"{name}.json" for name in ("cars", "stl10"))
    before = kept.stat().st_mtime_ns
    archive(copies / "wds_stl10_test" / "test" / "0.tar", [sample(DATACOMP[1], n) for n in range(COUNT + 1)])
    only = "--config.suite.tasks=('cars','stl10')"
    assert suite(checkpoint, copies, output, only) == 0
    assert (json.loads(stl.read_text())["images"], kept.stat().st_mtime_ns) == (COUNT + 1, before)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (copies / "wds_stl10_test").rename(elsewhere / "wds_stl10_test")
    assert suite(checkpoint, elsewhere, output, only) == 0
    assert json.loads(stl.read_text())["copy"]["path"].startswith(str(elsewhere.resolve()))
    (elsewhere / "wds_stl10_test").rename(copies / "wds_stl10_test")

    # What does not fit is said in a line, with the task.
    (copies / "wds_cars_test" / "classnames.txt").write_text("one\n")
    (output / "cars.json").unlink()
    (copies / "wds_stl10_test" / "test" / "nshards.txt").write_text("2\n")
    for name, said in (("cars", "cars: label '1' is no number of a class"), ("stl10", "1 of the 2 shards")):
        (output / f"{name}.json").unlink(missing_ok=True)
        assert suite(checkpoint, copies, output, f"--config.suite.tasks=('{name}',)") == 2
        assert said in capsys.readouterr().err
    assert suite(checkpoint, tmp_path, output, "--config.suite.name=vtab") == 2
    assert "has a copy of none of 19 tasks: the first was looked for as wds_vtab-caltech101_test" in (
        capsys.readouterr().err
    )
