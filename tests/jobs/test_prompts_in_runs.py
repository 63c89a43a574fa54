"""A run that learns a context: it begins as the written prompt, changes nothing else, and all that follows has it."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

import main
import vlp
from configs import coop
from input_pipeline.tokenizers import load_tokenizer
from vlp.checkpoint import find_checkpoint, load_model_arrays
from vlp.configuration import ConfigError, resolve
from vlp.interop.exported import export_model
from vlp.path_rules import tree_paths
from vlp.runs.run import Run

SMALL = {"width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}
FLAGS = [
    f"--config.model.{tower}.{name}={size}" for tower in ("image", "text") for name, size in SMALL.items()
]
FLAGS += [
    "--config.log.every=1",
    "--config.log.tensorboard=false",
    "--config.steps=2",
    "--config.batch_size=16",
]
WORDS, NAMES = "a picture of a", ["dog", "house"]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A tiny model that has seen two batches."""
    workdir = tmp_path_factory.mktemp("prompts") / "start"
    assert not main.main(
        ["--config=configs/quickstart.py:runlocal", f"--workdir={workdir}", "--config.evaluators={}", *FLAGS]
    )
    return workdir


def config_of(started, **text):
    config = coop.get_config(f"runlocal,start={started}")
    for tower in (config.model.image, config.model.text):
        tower.update(SMALL)
    config.model.text.update(text)
    config.update(steps=2, batch_size=16)
    config.optimizer.learning_rate = 0.1
    return resolve(config)


def test_a_run_begins_as_the_written_prompt_and_changes_nothing_but_the_context(started, tmp_path):
    base = vlp.load(started)
    tokens = int(base.tokenizer.count_tokens([WORDS])[0]) - 1 - (base.tokenizer.special.begin is not None)
    head = int(base.tokenizer.special.begin is not None)
    run = Run(config_of(started, context=tokens, context_words=WORDS, context_head=head), tmp_path / "run")
    run.open()
    state, _ = run.starting_state()
    model = run.stages[0].model(state)
    written = base.encode_text([f"{WORDS} {name}." for name in NAMES])
    np.testing.assert_allclose(model.encode_text([f"{name}." for name in NAMES]), written, atol=1e-5)
    before = jax.device_get(state.params)
    run.train()
    after = load_model_arrays(find_checkpoint(tmp_path / "run"))["params"]
    leaves = zip(tree_paths(before), jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    changed = [
        path for path, one, other in leaves if np.asarray(one).tobytes() != np.asarray(other).tobytes()
    ]
    assert changed == ["model/text/context/embedding"]
    loaded = vlp.load(tmp_path / "run")
    image = np.zeros((64, 64, 3), np.uint8)
    np.testing.assert_allclose(
        loaded.zero_shot(image, NAMES), loaded.zero_shot(image, NAMES, "{}."), atol=1e-6
    )
    assert np.abs(loaded.encode_text(["dog."]) - written[:1]).max() > 1e-4
    assert "zero_shot/val_vendor/top1" in run.results
    with pytest.raises(ValueError, match=rf"model.text.context={tokens} are learned vectors in its texts"):
        export_model(tmp_path / "run", "open_clip", tmp_path / "out")


def test_a_context_for_each_class_knows_its_classes_alone(started, tmp_path):
    begins = load_tokenizer(config_of(started).tokenizer).special.begin is not None
    settings = {"context": 2, "context_texts": "classes", "context_classes": 79, "context_head": int(begins)}
    run = Run(config_of(started, **settings), tmp_path / "run")
    run.open()
    model = run.stages[0].model(run.starting_state()[0])
    assert model.encode_text(["mammals, animals."]).shape == (1, 128)
    with pytest.raises(
        ValueError, match=r"a context for each of 79 texts, those of data.texts.classes, and none for"
    ):
        model.encode_text(["a dog"])
    asked = ConfigDict(config_of(started, **settings)).copy_and_resolve_references()
    asked.evaluators.dense.update(final=True, sets=("val_vendor",), templates="named", collages=8)
    assert {"zero_shot/val_vendor/top1", "dense/val_vendor/pointing"} <= vlp.evaluate(model, asked).keys()
    asked.evaluators.retrieval.update(final=True, sets=("val_vendor",))
    with pytest.raises(ValueError, match=r"a context for each of 79 texts"):
        vlp.evaluate(model, asked)
    with pytest.raises(
        ValueError, match=r"data.texts.classes has 79 texts of 79 labels, and .*context_classes=78"
    ):
        other = Run(config_of(started, **{**settings, "context_classes": 78}), tmp_path / "other")
        other.open()
        other.starting_state()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            {"context": 3, "context_words": "a picture of a"},
            r"context_words='a picture of a' is \d+ tokens, and .*=3",
        ),
        ({"context": 2, "width": 32}, r"checkpoint.start=.* holds another model than the config's `model`"),
    ],
)
def test_what_cannot_begin_is_refused(started, tmp_path, text, message):
    run = Run(config_of(started, **text), tmp_path / "run")
    run.open()
    with pytest.raises(ValueError, match=message):
        run.starting_state()


def test_texts_in_another_order_than_the_labels_that_records_have_are_refused(started, tmp_path):
    """Both have 79 labels, and every picture would be another class."""
    config = ConfigDict(config_of(started)).copy_and_resolve_references()
    labels = json.loads(Path(coop.LABELS).read_text())["labels"]
    (tmp_path / "turned.json").write_text(json.dumps(labels[::-1]))
    config.data.texts.classes.path = str(tmp_path / "turned.json")
    with pytest.raises(
        ConfigError,
        match=rf"data.texts.classes numbers '{labels[-1]}' 0, and data.labels.classes .* it 78: give",
    ):
        Run(resolve(config), tmp_path / "run")


@pytest.mark.parametrize(
    ("config", "flags", "said"),
    [
        ("coop", ["data.texts.classes.path={nameless}"], "label 1, counted from 0, is empty: give that class a name"),
        ("coop", ["data.sources.quickstart.shots=1000"], "shots=1000, but the label"),
        ("coop", ["model.text.width=32"], "holds another model than the config's `model`"),
        ("georsclip", ["model.adapters.rules=atention/qkv = lora 8"], "matches no linear layer; nearest paths: model/"),
        ("coop", [], "differ in model/text/context/embedding; start from"),
    ],
)  # fmt: skip
def test_a_mistake_of_who_adapts_a_model_is_one_line(started, tmp_path, capsys, config, flags, said):
    nameless = tmp_path / "nameless.json"
    nameless.write_text('{"labels": ["animals/mammals", ""]}')
    own = [f"--config.{flag.format(nameless=nameless)}" for flag in flags]
    small = [*FLAGS, f"--config.checkpoint.start={started}", "--config.checkpoint.start_new="]
    assert (
        main.main([f"--config=configs/{config}.py:runlocal", f"--workdir={tmp_path / 'run'}", *small, *own])
        == 2
    )
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and error.count("\n") == 1
