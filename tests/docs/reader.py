"""A working directory as the reader of the documentation has it: data, models and programs, small."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from vlp.evaluation.suites.tasks import DATACOMP

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = """
import json, sys
for place, line in enumerate(sys.stdin):
    print(json.dumps({"id": json.loads(line)["id"], "yes": place % 2 == 0, "reason": "its place"}))
"""
SYNSETS = ("n01440764", "n01443537")  # tench, goldfish


def make(folder: Path) -> None:
    """Fills a folder with everything that the commands of `documented.RUN` read and no earlier one leaves."""
    for name in ("docs", "runs"):
        (folder / name).mkdir()
    rows = pq.read_table(ROOT / "data" / "quickstart" / "val.parquet").slice(0, 12).to_pylist()
    pictures = [(row["image"], row["captions"][0]) for row in rows]
    _captioned(folder / "mine", pictures)
    _shards(folder / "cc12m", pictures)
    _karpathy(folder / "coco", pictures)
    for place, label in enumerate(SYNSETS):
        (folder / "imagenet" / "val" / label).mkdir(parents=True)
        (folder / "imagenet" / "val" / label / "0.png").write_bytes(pictures[place][0])
    _suite(folder / "evalsets", pictures)
    _verified(folder)
    for path in ("said.jsonl", "runs/captions/texts.jsonl", "runs/curated/fusecap/texts.jsonl"):
        _lines(folder / path, [{"id": one, "texts": ["a drawing of it"], "kind": "fused"} for one in _ids()])
    regions = [{"id": one, "box": [0.1, 0.1, 0.9, 0.9], "text": "a thing"} for one in _ids()]
    _lines(folder / "regions.jsonl", regions)
    (folder / "imagenet_names.txt").write_text("dog\ncat\nbird\ntree\n")
    (folder / "ask_my_model.py").write_text(ANSWERS)
    shutil.copy(ROOT / "docs" / "methods.md", folder / "docs")
    for share in (0.01, 0.1, 1.0):
        for run, figure in (
            ("share-{}", "retrieval/val/rsum"),
            ("jft/{}", "image_retrieval/val/mean_average_precision"),
        ):
            _finished(folder / "runs" / run.format(share), share, figure)


def bert(folder: Path) -> None:
    """Leaves a BertModel of transformers, small."""
    from benchmarks.fuzz import towers

    folder.mkdir()
    for name, content in towers.bert(folder / "aside").items():
        (folder / name).write_bytes(content)


def _captioned(folder: Path, pictures: list[tuple[bytes, str]]) -> None:
    folder.mkdir()
    for number, (image, caption) in enumerate(pictures):
        Image.open(io.BytesIO(image)).convert("RGB").save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(caption)


def _archive(file: Path, samples: list[dict[str, bytes]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as tar:
        for number, sample in enumerate(samples):
            for ending, data in sample.items():
                info = tarfile.TarInfo(f"s{number:07d}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def _shards(folder: Path, pictures: list[tuple[bytes, str]]) -> None:
    samples = [{"png": image, "txt": caption.encode()} for image, caption in pictures]
    for number in range(2):
        _archive(folder / f"{number:05d}.tar", samples[number::2])


def _karpathy(folder: Path, pictures: list[tuple[bytes, str]]) -> None:
    (folder / "val2014").mkdir(parents=True)
    images = []
    for number, (image, caption) in enumerate(pictures):
        (folder / "val2014" / f"{number}.jpg").write_bytes(image)
        texts = [{"raw": f"{caption} {place}"} for place in range(5)]
        images.append(
            {"filename": f"{number}.jpg", "filepath": "val2014", "split": "test", "sentences": texts}
        )
    (folder / "dataset_coco.json").write_text(json.dumps({"images": images, "dataset": "coco"}))


def _suite(folder: Path, pictures: list[tuple[bytes, str]]) -> None:
    """One task of DataComp's, which is VTAB's as well."""
    task = next(
        one for one in DATACOMP if one.key.startswith("vtab/") and one.kind == "zeroshot_classification"
    )
    place = folder / f"wds_{task.key.replace('/', '-')}_test"
    samples = [
        {"png": image, "cls": str(number % 2).encode()} for number, (image, _) in enumerate(pictures[:4])
    ]
    _archive(place / "test" / "0.tar", samples)
    (place / "test" / "nshards.txt").write_text("1\n")
    (place / "classnames.txt").write_text("dog\ncat")
    (place / "zeroshot_classification_templates.txt").write_text("a picture of a {c}.")


def _verified(folder: Path) -> None:
    """Open Images' three files, for the bundled drawings."""
    rows = pq.read_table(ROOT / "data" / "quickstart" / "val.parquet").to_pylist()
    counts = Counter(tag for row in rows for tag in row["tags"])
    codes = {tag: f"/m/{place}" for place, (tag, _) in enumerate(counts.most_common(20))}
    said = [
        f"{row['id']},verification,{code},{int(tag in row['tags'])}"
        for row in rows
        for tag, code in codes.items()
    ]
    (folder / "oidv7-test-annotations-human-imagelabels.csv").write_text(
        "\n".join(["ImageID,Source,LabelName,Confidence", *said, ""])
    )
    (folder / "oidv7-class-descriptions.csv").write_text(
        "".join(f"{code},{tag}\n" for tag, code in codes.items())
    )
    tree = {"LabelName": "/m/entity", "Subcategory": [{"LabelName": code} for code in codes.values()]}
    (folder / "bbox_labels_600_hierarchy.json").write_text(json.dumps(tree))


def _ids() -> list[str]:
    """Of the bundled drawings to train on and to validate with."""
    files = [ROOT / "data" / "quickstart" / f"{split}.parquet" for split in ("train", "val")]
    return [one for file in files for one in pq.read_table(file, columns=["id"])["id"].to_pylist()]


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def _finished(folder: Path, share: float, figure: str) -> None:
    """What a finished run leaves of a figure that grows with its share of the data."""
    folder.mkdir(parents=True)
    config = {"seed": 0, "data": {"sources": {"quickstart": {"fraction": share}}}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "results.json").write_text(json.dumps({figure: 0.5 + 0.1 * share}))
