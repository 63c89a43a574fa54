"""What was learned beside a pretrained model is seen by all that asks the model, and exported or refused by name."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

import vlp
from benchmarks.models import saved
from main import main
from vlp.interop.mapping import flattened, nested

pytestmark = pytest.mark.slow

SIZE = {"size": "", "width": 32, "depth": 1, "heads": 2, "mlp_dim": 48}
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
NAMES = ["dog", "house", "tree"]
USES = ("zero_shot", "retrieval", "dense")


@dataclasses.dataclass(frozen=True)
class Kind:
    """A way to adapt a model.

    Attributes:
      configure: changes a config.
      learned: which parameters are trained, as a regular expression of their paths.
      towers: whose rows it changes.
      refused: what an export says of it; '' = it is part of the weights there.
    """

    configure: Callable[[ConfigDict], Any]
    learned: str
    towers: tuple[str, ...] = ("image", "text")
    refused: str = ""


def adapters(rules: str) -> Callable[[ConfigDict], Any]:
    return lambda config: config.model.adapters.update(rules=rules)


KINDS = {
    "context": Kind(
        lambda config: config.model.text.update(context=2, context_head=0),
        "^text/context/",
        ("text",),
        "model.text.context=2 are learned vectors in its texts",
    ),
    "prompts": Kind(
        lambda config: config.model.image.update(prompts=2),
        "^image/prompts$",
        ("image",),
        "model.image.prompts=2 are learned tokens of its layers",
    ),
    "prompts of one layer": Kind(
        lambda config: config.model.image.update(prompts=2, prompt_layers=1),
        "^image/prompts$",
        ("image",),
        "model.image.prompts=2 are learned tokens of its layers",
    ),
    "lora": Kind(adapters("attention/(qkv|out)$ = lora 4; _projection$ = lora 2"), "/adapter/"),
    "lora of queries and values": Kind(adapters("text/.*qkv$ = lora 4 qv"), "/adapter/", ("text",)),
    "bottleneck": Kind(
        adapters("mlp/down$ = bottleneck 4"),
        "/adapter/",
        refused="no format has a place for the adapter of image/transformer/blocks/mlp/down",
    ),
    "bias": Kind(lambda config: None, "^(image|text)/.*bias$"),
}


def evaluation() -> ConfigDict:
    """Zero-shot, retrieval and dense figures on a few of the bundled pictures."""
    config = vlp.config("configs/quickstart.py:runlocal")
    for name in config.evaluators:
        config.evaluators[name].update(every=0, final=name in USES)
    for name in USES:
        config.evaluators[name].sets = ("val",)
    for name in ("zero_shot", "dense"):
        config.evaluators[name].templates = "named"
    config.evaluators.dense.collages = 20
    config.data.evaluation.val.fraction = 0.15
    return config


def figures(model: vlp.Model) -> dict[str, dict[str, float]]:
    found = vlp.evaluate(model, evaluation())
    return {use: {name: value for name, value in found.items() if name.startswith(f"{use}/")} for use in USES}


def rows(model: vlp.Model) -> dict[str, np.ndarray]:
    return {"image": model.encode_image_array(IMAGES), "text": model.encode_text(NAMES)}


@pytest.fixture(scope="module", params=KINDS)
def adapted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A kind, a model of it that has learned something, and the same as it was before."""
    kind = KINDS[request.param]

    def configure(config: ConfigDict) -> None:
        # Two blocks: of the last one a patch's own value is read, which sees no other token.
        config.model.image.update(SIZE, pool="class", pre_norm=True, depth=2)
        config.model.text.update(SIZE, causal=True, pool="end")
        config.data.image.resize = "squash"
        kind.configure(config)

    workdir = saved(tmp_path_factory.mktemp("adapted"), configure, noise=0.1)
    model = vlp.load(workdir)
    leaves = flattened(jax.device_get(model._variables))
    own = {path: leaf for path, leaf in leaves.items() if re.search(kind.learned, path)}
    assert own and all(np.asarray(leaf).any() for leaf in own.values())
    before = {path: np.zeros_like(leaf) if path in own else leaf for path, leaf in leaves.items()}
    return kind, workdir, model, model.with_variables(nested(before))


def test_it_is_loaded_and_seen_by_every_figure(adapted: Any) -> None:
    kind, _, model, before = adapted
    one, other = rows(model), rows(before)
    for tower, own in one.items():
        assert (np.abs(own - other[tower]).max() > 1e-3) == (tower in kind.towers), tower
    assert np.abs(model.zero_shot(IMAGES, NAMES) - before.zero_shot(IMAGES, NAMES)).max() > 1e-4
    found, plain = figures(model), figures(before)
    for use in USES:
        assert found[use] and found[use].keys() == plain[use].keys()
        assert found[use] != plain[use], f"{use} does not see what was learned"


def test_it_is_part_of_the_weights_that_are_exported_or_refused_by_name(
    adapted: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, workdir, model, before = adapted
    output = tmp_path / "theirs"
    code = main(["--job=export", f"--checkpoint={workdir}", "--format=huggingface", f"--output={output}"])
    if kind.refused:
        line = capsys.readouterr().err
        assert code == 2 and kind.refused in line and line.count("\n") == 1 and not output.exists()
        return
    assert code == 0
    assert main(["--job=import", f"--source={output}", f"--workdir={tmp_path / 'back'}"]) == 0
    back, own, other = rows(vlp.load(tmp_path / "back")), rows(model), rows(before)
    for tower in ("image", "text"):
        np.testing.assert_allclose(back[tower], own[tower], atol=1e-5)
        assert (np.abs(back[tower] - other[tower]).max() > 1e-3) == (tower in kind.towers)


TINY = [
    f"--config.model.{tower}.{name}"
    for tower in ("image", "text")
    for name in ("width=16", "depth=1", "heads=2", "mlp_dim=32")
]
QUIET = [
    "--config.log.tensorboard=false",
    "--config.steps=1",
    "--config.data.evaluation.val_vendor.fraction=0.1",
]
BRIDGES = {"sprc": "sentence_prompts/composer", "isa": "pseudo_words/composer"}


@pytest.mark.parametrize("config", BRIDGES)
def test_a_bridge_is_loaded_searches_and_is_named_by_an_export(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Zero-shot, retrieval and dense ask the towers, which it leaves as they are."""
    workdir, part = tmp_path / "run", BRIDGES[config]
    clip = ("image.pool=class", "image.pre_norm=true", "text.causal=true", "text.pool=end")
    model_flags = [*TINY, *(f"--config.model.{flag}" for flag in clip)]
    images = "--config.data.image.resize=squash"
    assert (
        main([f"--config=configs/{config}.py:runlocal", f"--workdir={workdir}", *model_flags, *QUIET, images])
        == 0
    )
    model = vlp.load(workdir)
    assert part in model.parts
    ids = model.composer(part).compose(IMAGES, NAMES)
    assert np.abs(ids - model.encode_image_array(IMAGES)).max() > 1e-3
    turned = model.composer(part).compose(IMAGES[::-1], NAMES)
    assert np.abs(ids - turned).max() > 1e-5, "the images are not seen"
    assert np.abs(ids - model.composer(part).compose(IMAGES, NAMES[::-1])).max() > 1e-5
    assert all(figures(model).values())
    searched = [
        name for name in (workdir / "results.json").read_text().split('"') if "composed_retrieval/" in name
    ]
    assert searched
    arguments = ["--format=huggingface", f"--output={tmp_path / 'out'}"]
    capsys.readouterr()
    assert main(["--job=export", f"--checkpoint={workdir}", *arguments]) == 0
    assert f"huggingface has no place for {part}: `vlp.load(PATH).parts`" in capsys.readouterr().out
