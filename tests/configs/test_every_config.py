"""Every recipe as a toy and every evaluation, from the command to the figures, in one process.

Two to three minutes on two cores: nearly all of it compiling each recipe's step at the smallest size.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import main
from vlp.checkpoint import find_checkpoint, read_description
from vlp.evaluation.provenance import PROVENANCE
from vlp.methods import FIRST, methods

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(
    file.stem for file in (ROOT / "configs").glob("*.py") if file.stem not in ("__init__", "base", "common")
)
OF_OTHER_MODELS = {
    method.config for method in methods() if FIRST not in method.command
}  # test_method_commands.py
EVALUATIONS = sorted(
    file.stem
    for file in (ROOT / "configs" / "eval").glob("[!_]*.py")
    if f"configs/eval/{file.name}" not in OF_OTHER_MODELS
)
SMALL = [f"--config.model.{tower}.{name}" for tower in ("image", "text") for name in ("width=16", "depth=1")]
VIT = [f"--config.model.{tower}.{name}" for tower in ("image", "text") for name in ("heads=2", "mlp_dim=32")]
# Towers that are no transformers have their toy size; of ALIGN's image towers it is the one that compiles sooner.
OTHERS = {"align": SMALL[2:] + VIT[2:], "ranking": SMALL[:2] + VIT[:2]}
ARGUMENTS = {"align": "runlocal,model=resnet_r50", "ranking": "runlocal,text=ngrams"}
QUIET = ("--config.log.every=1", "--config.log.tensorboard=false", "--config.data.threads=1")
FEW = tuple(f"--config.data.evaluation.{name}.fraction=0.15" for name in ("val_vendor", "val", "test"))


def figures_of(path):
    """Without what they were measured on."""
    return {name: value for name, value in json.loads(path.read_text()).items() if name != PROVENANCE}


def lines(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains_and_is_evaluated(name, tmp_path, capsys):
    workdir = tmp_path / name
    size = OTHERS.get(name, SMALL + VIT)
    quickstart = ("--config.steps=4", "--config.batch_size=16") if name == "quickstart" else ()
    arguments = [
        f"--config=configs/{name}.py:{ARGUMENTS.get(name, 'runlocal')}",
        f"--workdir={workdir}",
        *size,
        *QUIET,
        *FEW,
        *quickstart,
    ]
    assert main.main(arguments) == 0, capsys.readouterr().err
    steps = json.loads((workdir / "config.json").read_text())["steps"]
    losses = {line["step"]: line["loss"] for line in lines(workdir) if "loss" in line}
    assert sorted(losses) == list(range(1, steps + 1))
    assert all(math.isfinite(loss) and loss > 0 for loss in losses.values())
    assert all(line.get("skipped", 0) == 0 for line in lines(workdir))
    moved = [line["update_norm"] for line in lines(workdir) if "update_norm" in line]
    assert len(moved) == steps and all(0 < norm < math.inf for norm in moved[1:])  # warm-up begins at nothing
    kept = {value for line in lines(workdir) for key, value in line.items() if key.endswith("/kept")}
    assert kept <= {1.0}
    assert read_description(find_checkpoint(workdir)).progress["step"] == steps
    figures = figures_of(workdir / "results.json")
    assert figures and all(math.isfinite(value) for value in figures.values())
    assert (workdir / "results.html").is_file()
    assert next(iter(figures)).partition("/")[0] in capsys.readouterr().out


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model that has seen two batches."""
    workdir = tmp_path_factory.mktemp("runs") / "model"
    off = [
        f"--config.evaluators.{name}.{key}"
        for name in ("zero_shot", "retrieval")
        for key in ("every=0", "final=0")
    ]
    steps = ("--config.steps=2", "--config.batch_size=16", "--config.optimizer.schedule.warmup_steps=1")
    assert main.main(
        ["--config=configs/quickstart.py:runlocal", f"--workdir={workdir}", *SMALL, *VIT, *QUIET, *off, *steps]
    ) == 0  # fmt: skip
    return workdir


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder a class of CIFAR-10, three images each."""
    folder = tmp_path_factory.mktemp("cifar10")
    for label in ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"):
        (folder / label).mkdir()
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


@pytest.mark.parametrize("name", EVALUATIONS)
def test_an_evaluation_gives_its_figures(name, model, images, tmp_path, capsys):
    spec, more = f"configs/eval/{name}.py", [*FEW]
    if name == "known_set":
        spec, more = f"{spec}:cifar10,format=folder,path={images}", []
    elif name == "features":
        more = [flag for flag in FEW if "val_vendor" not in flag] + [
            "--config.data.evaluation.train.fraction=0.1",
            # Fitting probes takes minutes, and tests/evaluation/test_probes.py does it.
            "--config.evaluators.features.parts=knn,few_shot",
        ]
    elif name == "lgs":
        more = ["--config.evaluators.transfer.parts=knn"]
    elif name == "class_means":
        more += ["--config.data.evaluation.train.fraction=0.1"]
    elif name in ("dense", "vocabulary_free_regions"):
        more += [f"--config.evaluators.{name}.collages=4"]
    elif name == "co_segmentation":
        more += [f"--config.evaluators.{one}.collages=4" for one in ("dense", name)]
    elif name == "text_as_image":
        texts = (
            "--config=configs/eval/features.py",
            f"--output={tmp_path}/texts",
            "--config.embed.feature=text",
        )
        fractions = ("--config.data.evaluation.train.fraction=0.05", *FEW[1:])
        assert main.main(["--job=embed", f"--checkpoint={model}", *texts, *fractions]) == 0
        spec = f"{spec}:{tmp_path}/texts"
        more = ["--config.evaluators.features.parts=knn"]
    elif name == "descriptions":
        path = tmp_path / "descriptions.json"
        assert main.main(["--job=describe", f"--output={path}"]) == 0
        more += [f"--config.evaluators.zero_shot.descriptions={path}"]
    output = tmp_path / "figures.json"
    arguments = ["--job=evaluate", f"--checkpoint={model}", f"--config={spec}", f"--output={output}", *more]
    capsys.readouterr()
    assert main.main(arguments) == 0, capsys.readouterr().err
    figures = figures_of(output)
    assert figures and all(math.isfinite(value) for value in figures.values())
    assert next(iter(figures)).partition("/")[0] in capsys.readouterr().out
