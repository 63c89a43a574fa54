"""Suites: figures are those that the references' own code writes on the same embeddings."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from vlp.evaluation.suites import measured
from vlp.evaluation.suites.measured import Classes, averages
from vlp.evaluation.suites.robustness import effective_robustness
from vlp.evaluation.suites.tasks import DATACOMP, SUITES, Task, tasks_of

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "datacomp_metrics_seed0.npz")
EXPECTED = json.loads(str(GOLDEN["expected"]))


@dataclasses.dataclass
class Given:
    images: np.ndarray
    ids: list[str] = dataclasses.field(default_factory=list)
    captions: list[list[str]] = dataclasses.field(default_factory=list)
    labels: list[str] = dataclasses.field(default_factory=list)
    tags: list[list[str]] = dataclasses.field(default_factory=list)
    groups: list[str] = dataclasses.field(default_factory=list)


class Rows:
    """A model whose texts are rows that were given."""

    logit_scale = 100.0

    def __init__(self, rows: dict[str, np.ndarray]):
        self.rows = rows

    def encode_text(self, texts: list[str]) -> np.ndarray:
        return np.stack([self.rows[text] for text in texts])


class Cue(NamedTuple):
    cue: str
    candidates: tuple[str, ...]
    chosen: tuple[str, ...]


def groups(metadata: np.ndarray) -> list[str]:
    return [",".join(map(str, row)) for row in metadata.tolist()]


def named(texts: np.ndarray, objective: str = "") -> tuple[list[str], dict[str, np.ndarray]]:
    names = [f"{objective}{number}" for number in range(len(texts))]
    return names, {f"a {name.rpartition(':')[2]}": row for name, row in zip(names, texts, strict=True)}


def same(figures: dict[str, float], expected: dict[str, float]) -> None:
    """Equal; they write a group without an example as NaN, and its count, which we leave out."""
    empty = {
        name.replace("count_", "acc_") for name, value in expected.items() if value == 0 and "count_" in name
    }
    there = {name: value for name, value in expected.items() if value == value and name not in empty}
    there = {name: value for name, value in there.items() if value or "count_" not in name}
    assert figures.keys() == there.keys()
    assert figures == pytest.approx(there, abs=5e-5)


def of_key(key: str) -> Task:
    return next(task for suite in SUITES.values() for task in suite if task.key == key)


@pytest.mark.parametrize(
    "key",
    ["wilds/iwildcam", "wilds/camelyon17", "wilds/fmow", "fairness/dollar_street", "fairness/geode"],
)
def test_figures_are_those_of_the_references_arithmetic(key: str) -> None:
    own = {
        name: GOLDEN[f"{key.replace('/', '_')}/{name}"] for name in ("images", "texts", "labels", "metadata")
    }
    names, rows = named(own["texts"])
    data = Given(own["images"], labels=[str(one) for one in own["labels"]], groups=groups(own["metadata"]))
    found = measured.classification(of_key(key), data, Rows(rows), Classes(names, ["a {c}"]))
    same(found.figures, EXPECTED[key])
    assert of_key(key).main in found.figures
    assert found.outcomes["acc1"].mean() == pytest.approx(found.figures["acc1"])


def test_faces_are_asked_four_questions() -> None:
    names, rows = list[str](), dict[str, np.ndarray]()
    for objective in ("race", "gender", "age", "toxic"):
        own = GOLDEN[f"faces/{objective}"]
        names += [f"{objective}:{number}" for number in range(len(own))]
        rows |= {f"{objective} {number}": row for number, row in enumerate(own)}
    templates = [f"{objective}:{objective} {{c}}" for objective in ("race", "gender", "age", "toxic")]
    data = Given(GOLDEN["faces/images"], groups=groups(GOLDEN["faces/metadata"]))
    found = measured.faces(of_key("fairness/fairface"), data, Rows(rows), Classes(names, templates))
    same(found.figures, EXPECTED["fairness/fairface"])
    with pytest.raises(ValueError, match="must have lines 'toxic:"):
        measured.faces(of_key("fairness/utkface"), data, Rows(rows), Classes(names, templates[:3]))


def test_associations_are_a_jaccard_index() -> None:
    images, cues = GOLDEN["winogavil/images"], GOLDEN["winogavil/cues"]
    asked: list[dict[str, Any]] = json.loads(str(GOLDEN["cues"]))
    words = [f"{'AE'[number % 2]}x{number}" for number in range(len(cues))]
    rows = {f"An {word.lower()}": row for word, row in zip(words, cues, strict=True)}
    questions = [
        Cue(word, tuple(map(str, one["candidates"])), tuple(map(str, one["chosen"])))
        for word, one in zip(words, asked, strict=True)
    ]
    lost = Cue("lost", ("0", "there is none"), ("0",))
    data = Given(images, ids=[str(number) for number in range(len(images))])
    found = measured.association(data, Rows(rows), [*questions, lost])
    same(found.figures, EXPECTED["misc/winogavil"])
    assert found.queries == (len(questions), len(questions) + 1)


def test_several_labels_are_mean_average_precision() -> None:
    names, rows = named(GOLDEN["multilabel/texts"])
    tags = [[str(one) for one in np.flatnonzero(row)] for row in GOLDEN["multilabel/targets"]]
    data = Given(GOLDEN["multilabel/images"], labels=[""] * len(tags), tags=tags)
    found = measured.classification(of_key("voc2007_multilabel"), data, Rows(rows), Classes(names, ["a {c}"]))
    same(found.figures, EXPECTED["voc2007_multilabel"])
    data.tags[1] = [str(len(names))]
    with pytest.raises(ValueError, match="voc2007_multilabel: label '6' is no number of a class"):
        measured.classification(of_key("voc2007_multilabel"), data, Rows(rows), Classes(names, ["a {c}"]))


def test_retrieval_is_that_of_a_peer() -> None:
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip(
        "clip_benchmark.metrics.zeroshot_retrieval", reason="clip-benchmark is not installed"
    )
    random = np.random.default_rng(1)
    texts, images = (random.standard_normal((count, 8)).astype(np.float32) for count in (60, 30))
    texts, images = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (texts, images))
    captions = [[f"{row}", f"{row + 30}"] for row in range(30)]
    found = measured.retrieval(
        Given(images, captions=captions), Rows({str(row): text for row, text in enumerate(texts)})
    )
    scores = torch.from_numpy(texts @ images.T)
    right = torch.zeros_like(scores, dtype=torch.bool)
    right[torch.arange(60), torch.arange(60) % 30] = True
    for k in (1, 5, 10):
        by_text = (peer.recall_at_k(scores, right, k) > 0).float().mean().item()
        by_image = (peer.recall_at_k(scores.T, right.T, k) > 0).float().mean().item()
        assert found.figures[f"image_retrieval_recall@{k}"] == pytest.approx(by_text)
        assert found.figures[f"text_retrieval_recall@{k}"] == pytest.approx(by_image)


def test_an_average_is_over_all_tasks_or_is_none() -> None:
    figures = {task.key: {task.main: number / 40} for number, task in enumerate(DATACOMP)}
    means = averages(DATACOMP, figures)
    counted = [number / 40 for number, task in enumerate(DATACOMP) if task.main]
    assert len(DATACOMP) == 40 and len(counted) == 38
    assert means["average"] == pytest.approx(np.mean(counted))
    assert means.keys() == {"average", "ImageNet", "ImageNet dist. shifts", "VTAB", "Retrieval"}
    del figures["vtab/svhn"]
    assert averages(DATACOMP, figures).keys() == {"ImageNet", "ImageNet dist. shifts", "Retrieval"}
    assert [len(suite) for suite in SUITES.values()] == [40, 19, 36, 6]
    assert [task.name for task in tasks_of("datacomp", ["wilds/*", "SVHN"])] == [
        "iWildCam",
        "Camelyon17",
        "FMoW",
        "SVHN",
    ]
    with pytest.raises(ValueError, match="no task of vtab is called 'imagenet1k'"):
        tasks_of("vtab", ["imagenet1k"])


def test_effective_robustness_is_the_distance_to_the_line_of_imagenet_models() -> None:
    # Accuracies of ResNet-50 in the published table, and about those of CLIP's ViT-B/32.
    usual = {"imagenet1k": 0.7613, "imagenetv2": 0.6320, "imagenet_sketch": 0.2409, "imagenet-r": 0.3617}
    found = effective_robustness({key: {"acc1": value} for key, value in usual.items()})
    assert found.keys() == {f"effective_robustness/{key}" for key in usual if key != "imagenet1k"}
    assert max(map(abs, found.values())) < 0.012
    clip = effective_robustness({"imagenet1k": {"acc1": 0.634}, "imagenet-r": {"acc1": 0.69}})
    assert clip["effective_robustness/imagenet-r"] > 0.35
    assert not effective_robustness({"imagenetv2": {"acc1": 0.5}})
    assert not effective_robustness({"imagenet1k": {"acc1": 1.0}, "imagenetv2": {"acc1": 0.5}})
