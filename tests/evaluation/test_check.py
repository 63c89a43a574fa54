"""Evaluators refuse sets that do not fit before there is a model, and decode no image for that."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs import base
from vlp.configuration import load_config
from vlp.evaluation import build_evaluators, check
from vlp.runs.data import EvaluationSets

SPEC = {"resolution": 32, "resize": "pad", "mean": [0.5] * 3, "std": [0.5] * 3}
LABELS = ["a/b", "a/c", "a/d", "a/e"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Twelve images each, of which no byte is an image: 'bare' ones, and those of which all is known."""
    folder = tmp_path_factory.mktemp("sets")
    columns = {"id": [f"i{row}" for row in range(12)], "image": [b"no image"] * 12}
    columns["captions"] = pa.array([[]] * 12, pa.list_(pa.string()))
    known = {
        "captions": [[f"caption {row}"] for row in range(12)],
        "label": [LABELS[row % 4] for row in range(12)],
        "tags": [[f"tag {row % 2}", f"tag {row % 3}"] for row in range(12)],
    }
    boxes = folder / "regions.jsonl"
    said = {"text": "it", "label": "a/b"}
    lines = [{"id": one, "box": [0, at / 2, 0.5, 1], **said} for one in columns["id"] for at in range(2)]
    boxes.write_text("\n".join(map(json.dumps, lines)))
    config = base.get_config()
    config.data.evaluation = {}
    tables = {"bare": columns, "whole": {**columns, **known}, "alike": {**columns, "label": ["a"] * 12}}
    for name, table in tables.items():
        pq.write_table(pa.table(table), folder / f"{name}.parquet")
        config.data.evaluation[name] = {
            "format": "parquet",
            "path": str(folder / f"{name}.parquet"),
            "columns": {"label": "label"} if "label" in table else {},
            "regions_by_id": str(boxes) if name == "whole" else "",
        }
    return EvaluationSets(config, SPEC)


@pytest.fixture
def evaluator(tmp_path):
    (tmp_path / "captions.txt").write_text("a cat\na dog\n")
    (tmp_path / "languages.json").write_text('{"DE": [[0, 1], ["A", "B"]]}')
    (tmp_path / "table.json").write_text(json.dumps({"names": {label: label for label in LABELS}}))

    def make(name, where, sets, **changes):
        own = base.get_config().evaluators[name].to_dict()
        needed = {
            "train_sets": (where,),
            "learned": where,
            "captions": str(tmp_path / "captions.txt"),
            "tasks": 2,
        }
        needed = {option: value for option, value in needed.items() if option in own}
        if name == "zero_shot":
            needed.pop("captions")
        if name == "multilingual":
            needed = {"names": str(tmp_path / "languages.json"), "labels": str(tmp_path / "table.json")}
        asked = (where,) * (2 if name == "transfer" else 1)  # of one domain, and of another
        return build_evaluators({name: {**own, **needed, "final": True, "sets": asked, **changes}}, sets)

    return make


EVALUATORS = sorted(base.get_config().evaluators)


@pytest.mark.parametrize("name", EVALUATORS)
def test_a_set_of_images_alone_fits_no_evaluator(sets, evaluator, name):
    with pytest.raises(ValueError, match="'bare'"):
        check(evaluator(name, "bare", sets))


# Masks are a known set's: tests/input_pipeline/test_known_sets.py.
@pytest.mark.parametrize("name", sorted({*EVALUATORS} - {"pixel_maps"}))
def test_a_set_of_which_all_is_known_fits_every_one_and_nothing_is_decoded(sets, evaluator, name):
    check(evaluator(name, "whole", sets, **({"min_images": 1} if name == "multi_label" else {})))


@pytest.mark.parametrize(
    ("name", "where", "changes", "message"),
    [
        ("retrieval", "whole", {"languages": ("de",)}, "no captions in 'de'"),
        ("dense", "alike", {}, "a collage takes four classes"),
        ("features", "alike", {}, "has 1 classes"),
    ],
)
def test_what_does_not_fit_is_said(sets, evaluator, name, where, changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check(evaluator(name, where, sets, **changes))


def test_the_documentation_has_every_evaluator_with_a_file_that_switches_it_on(repo_root):
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (repo_root / "docs" / "evaluation.md").read_text().splitlines()
        if line.startswith("| `") and line.count("|") == 5
    ]
    found = {row[0].strip("`"): re.findall(r"`(\w+)`", row[3]) for row in rows}
    assert sorted(found) == EVALUATORS
    for name, files in found.items():
        for file in set(files) - {"known_set"}:
            config = load_config(f"configs/eval/{file}.py")
            assert config.evaluators[name].final, (name, file)
