"""Constant texts, frozen models and parts, through the train job's door."""

from __future__ import annotations

import functools
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from finished_runs import assert_same_run
from flax import nnx
from jax.sharding import AxisType
from ml_collections import FrozenConfigDict

import main
import vlp
from benchmarks.models import saved
from vlp import cli, configuration
from vlp.checkpoint import find_checkpoint, load_model_arrays
from vlp.configuration import stages
from vlp.interop.exported import export_model
from vlp.parallel.sharding import global_batch
from vlp.runs.beside import open_frozen
from vlp.runs.stage import Stage
from vlp.training.model_flops import forward_flops

pytestmark = pytest.mark.slow

SMALL = (
    "--config=configs/quickstart.py:runlocal",
    "--config.batch_size=16",
    "--config.log.every=1",
    "--config.log.tensorboard=false",
    "--config.model.image.depth=1",
    "--config.model.image.width=32",
    "--config.model.image.patch_size=16",
    "--config.model.text.depth=1",
    "--config.model.text.width=32",
    "--config.model.embed_dim=16",
    *(
        f"--config.evaluators.{name}.{key}"
        for name in ("zero_shot", "retrieval")
        for key in ("every=0", "final=false")
    ),
)
CLASSES = {"office": ["a room with desks"], "music/drums": ["a drum", "sticks on a drum"], "fish": []}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A run of one step with smaller images, longer texts and other statistics of pixels."""
    workdir = tmp_path_factory.mktemp("teacher")
    flags = (
        "--config.model.image.resolution=32",
        "--config.tokenizer.length=24",
        "--config.data.image.mean=(0.4,0.5,0.6)",
        "--config.steps=1",
    )
    assert main.main([*SMALL, *flags, f"--workdir={workdir}"]) == 0
    return workdir


@pytest.fixture(scope="module")
def flags(teacher, tmp_path_factory):
    """A run of four steps that is guided by the teacher."""
    classes = tmp_path_factory.mktemp("texts") / "classes.json"
    classes.write_text(json.dumps(CLASSES))
    return (
        *SMALL,
        "--config.steps=4",
        "--config.checkpoint.every=2",
        "--config.objectives.guided={'kind': 'guided:Guided', 'weight': 1.0}",
        f"--config.data.texts.classes={{'path': '{classes}', 'templates': ('a {{}}.',)}}",
        f"--config.frozen.teacher={{'checkpoint': '{teacher}'}}",
        "--config.evaluators.decoded={'kind': 'zero_shot', 'final': True, 'sets': ('val',), 'scorer': 'decoder'}",
        "--config.evaluators.tags={'kind': 'multi_label', 'every': 2, 'sets': ('val',), 'scorer': 'guided/decoder'}",
    )


@pytest.fixture(scope="module")
def run(flags, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run") / "alone"
    assert main.main([*flags, f"--workdir={workdir}"]) == 0
    return workdir


def test_an_objective_uses_texts_a_frozen_model_and_a_part(run, teacher):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [line["guided/loss"] for line in lines if "guided/loss" in line]
    assert len(losses) == 4 and np.isfinite(losses).all() and len(set(losses)) == 4
    assert lines[0]["guided/teacher_width"] == 16
    arrays = load_model_arrays(find_checkpoint(run))
    assert set(arrays["params"]) == {"model", "objectives"}
    assert set(arrays["params"]["objectives"]["guided"]) == {"bias", "decoder"}
    config = json.loads((run / "config.json").read_text())
    entry = config["frozen"]["teacher"]
    assert len(entry["digest"]) == 32 and entry["checkpoint"] == str(teacher)


def test_it_goes_on_to_the_same_bits(run, flags, tmp_path):
    shutil.copytree(run, tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / "checkpoints" / "4")
    assert main.main([*flags, f"--workdir={tmp_path / 'again'}"]) == 0
    assert_same_run(run, tmp_path / "again")


def test_another_teacher_is_refused(run, flags, teacher, tmp_path, capsys):
    other = tmp_path / "teacher"
    shutil.copytree(teacher, other)
    shutil.copytree(run, tmp_path / "again")
    digest = "--config.frozen.teacher.digest=0123"
    assert main.main([*flags, digest, f"--workdir={tmp_path / 'again'}"]) == 2
    assert "frozen.teacher.digest=0123" in capsys.readouterr().err


def opened(flags, shape):
    """The first stage of a run on a mesh of the given shape, which is set by the caller."""
    config = FrozenConfigDict(configuration.resolve(configuration.parse(flags, cli.OPTIONS).config))
    devices = jax.devices()[: int(np.prod(shape))]
    mesh = jax.make_mesh(shape, ("data", "fsdp", "model"), (AxisType.Auto,) * 3, devices=devices)
    return functools.partial(Stage, stages(config)[0], mesh, open_frozen(config)), mesh


def first_rows(stage, mesh):
    """The first batch, on the host and, with what stands beside it, on the devices."""
    batches = stage.batches(0)
    batch = next(batches)
    batches.close()
    rows = global_batch({name: batch[name] for name in stage.training.fields}, mesh)
    return batch, {**rows, **stage.beside}


def encodings_of(stage, state, rows):
    training = stage.training
    pretrainer = nnx.merge(training.pretrainer_graphdef, state.params, state.rest, copy=True)
    return pretrainer.encodings(rows, key=None, step=jnp.int32(0))


def seen(flags, shape):
    """What objectives see of the first batch, on a mesh of the given shape."""
    make, mesh = opened(flags, shape)
    with jax.set_mesh(mesh):
        stage = make()
        state = stage.training.initial_state()
        batch, rows = first_rows(stage, mesh)

        @jax.jit
        def see(state, rows):
            encodings = encodings_of(stage, state, rows)
            own = encodings.frozen("teacher")
            found = {"texts": encodings.texts("classes"), "labels": encodings.text_labels("classes")}
            found |= {"classes": encodings.label_texts("classes"), "image": own.image()}
            return found | {"own_texts": own.texts("classes"), "scale": own.logit_scale()}

        loss, gradients = stage.training.gradient(state, rows)
        found = jax.device_get((see(state, rows), loss[0], gradients))
    return found, batch, stage


def test_they_are_what_the_models_alone_say_on_any_mesh(flags, teacher):
    (one, loss, gradients), batch, stage = seen(flags, (1, 1, 1))
    (eight, loss_of_eight, gradients_of_eight), *_ = seen(flags, (2, 4, 1))
    alone = vlp.load(teacher)
    texts = ["a office.", "a room with desks", "a drums, music.", "a drum", "sticks on a drum", "a fish."]
    assert batch["teacher/image"].shape == (16, 32, 32, 3) and batch["image"].shape == (16, 64, 64, 3)
    np.testing.assert_allclose(one["image"], alone.encode_image_array(batch["teacher/image"]), atol=1e-5)
    np.testing.assert_allclose(one["own_texts"], alone.encode_text(texts), atol=1e-5)
    assert one["scale"] == pytest.approx(alone.logit_scale)
    assert one["labels"].tolist() == [0, 0, 1, 1, 1, 2]
    means = [one["texts"][one["labels"] == label].mean(axis=0) for label in range(3)]
    np.testing.assert_allclose(one["classes"], [mean / np.linalg.norm(mean) for mean in means], atol=1e-5)
    # Forward passes of what is not trained count a third of a step's; six texts are encoded once for sixteen rows.
    image, text = (forward_flops(alone.config, (field,)) for field in ("image", "text"))
    own = forward_flops(stage.config, ("text",))
    assert stage.training.other_flops == pytest.approx(image / 3 + (text / 3 + own) * 6 / 16)
    for name, rows in one.items():
        np.testing.assert_allclose(eight[name], rows, atol=1e-5, err_msg=name)
    assert loss_of_eight == pytest.approx(loss, rel=1e-5)
    for a, b in zip(jax.tree.leaves(gradients), jax.tree.leaves(gradients_of_eight), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * max(1.0, np.abs(a).max()))


def test_a_part_is_loaded_with_the_model_and_scores_for_evaluators(run, teacher, tmp_path, capsys):
    model = vlp.load(run)
    assert list(model.parts) == ["guided/decoder"]
    dice = np.random.default_rng(0)
    images, texts = dice.integers(0, 256, (3, 64, 64, 3), np.uint8), ["a dog", "a cat"]
    weights = load_model_arrays(find_checkpoint(run))["params"]["objectives"]["guided"]["decoder"]["linear"]
    rows = model.encode_image_array(images)
    expected = rows @ weights["kernel"] + weights["bias"]
    np.testing.assert_allclose(model.parts["decoder"](rows), expected, atol=1e-5)
    scores = model.scorer("decoder").score(images, texts)
    np.testing.assert_allclose(scores, expected @ model.encode_text(texts).T, atol=1e-5)
    np.testing.assert_allclose(
        model.scorer().score(images, texts), rows @ model.encode_text(texts).T, atol=1e-6
    )
    with pytest.raises(ValueError, match="there is no part 'nothing'; the model has guided/decoder"):
        model.scorer("nothing")
    assert not vlp.load(teacher).parts
    figures = json.loads((run / "results.json").read_text())
    assert 0 <= figures["decoded/val/top1"] <= 1 and "tags/val/mean_average_precision" in figures
    capsys.readouterr()
    evaluated = ("--job=evaluate", f"--checkpoint={run}", f"--workdir={tmp_path}")
    decoded = "--config.evaluators.decoded={'kind': 'zero_shot', 'final': True, 'sets': ('val',), 'scorer': 'decoder'}"
    aside = shutil.move(teacher, tmp_path / "aside")  # neither a load nor an evaluation needs it
    try:
        assert main.main([*evaluated, decoded]) == 0
    finally:
        shutil.move(aside, teacher)
    again = json.loads((tmp_path / "evaluations" / "quickstart.json").read_text())
    assert again["decoded/val/top1"] == figures["decoded/val/top1"]


def test_a_part_starts_another_run(run, flags, tmp_path):
    still = ("--config.steps=1", "--config.optimizer.learning_rate=1e-30", "--config.seed=5")
    start = f"--config.checkpoint.start={run}"
    assert main.main([*flags, *still, start, f"--workdir={tmp_path}"]) == 0
    there, here = (
        load_model_arrays(find_checkpoint(workdir))["params"]["objectives"]["guided"]
        for workdir in (run, tmp_path)
    )
    kernels = [tree["decoder"]["linear"]["kernel"] for tree in (there, here)]
    np.testing.assert_allclose(*kernels, atol=1e-20)
    assert np.abs(there["bias"]).max() > 1e-3 > np.abs(here["bias"]).max()  # no part


def test_a_model_of_one_tower_reads_in_half_precision_what_it_shares(tmp_path):
    alone = (
        "--config.objectives.contrastive.weight=0",
        *(
            f"--config.objectives.view_contrast.{one}"
            for one in ("weight=1", "hidden_width=16", "output_width=8")
        ),
        "--config.data.image_views={'strong': {'count': 2}}",
        "--config.steps=1",
    )
    assert main.main([*SMALL, *alone, f"--workdir={tmp_path}"]) == 0
    imitating = (
        "--config.objectives.contrastive.weight=0",
        "--config.objectives.imitation={'kind': 'guided:Imitation', 'weight': 1.0}",
        f"--config.frozen.teacher={{'checkpoint': '{tmp_path}', 'dtype': 'bfloat16'}}",
    )
    make, mesh = opened((*SMALL, *imitating), (1, 1, 1))
    with jax.set_mesh(mesh):
        stage = make()
        state = stage.training.initial_state()
        batch, rows = first_rows(stage, mesh)
        see = jax.jit(lambda state, rows: encodings_of(stage, state, rows).frozen("teacher").image())
        found = jax.device_get(see(state, rows))
        _, metrics = stage.training.train_step(state, rows)
        assert np.isfinite(float(metrics["imitation/loss"]))
    assert stage.training.fields == ("image",)
    leaves = jax.tree.leaves(stage.beside)
    assert {leaf.dtype for leaf in leaves if leaf.ndim} == {jnp.dtype("bfloat16")}
    assert {leaf.dtype for leaf in leaves if not leaf.ndim} <= {jnp.dtype("float32")}  # scales
    assert set(stage.beside) == {"frozen/teacher"} and not any(
        "text" in name for name in stage.beside["frozen/teacher"]
    )
    exact = vlp.load(tmp_path).encode_image_array(batch["image"])
    assert 1e-5 < np.abs(found - exact).max() < 0.05


def tiny(config):
    config.model.embed_dim = 16
    config.model.image.update(resolution=32, patch_size=16, depth=1, width=32, pool="class", pre_norm=True)
    config.model.text.update(depth=1, width=32, causal=True, pool="end")
    config.data.image.resize = "squash"
    config.tokenizer.length = 12


@pytest.mark.parametrize(
    ("form", "towers", "objective"),
    [
        ("", ("text",), "Reading"),
        ("", ("image",), "Imitation"),
        ("huggingface", ("image", "text"), "Imitation"),
        ("open_clip", ("image", "text"), "Reading"),
    ],
)
def test_models_of_one_tower_and_of_other_projects_teach(tmp_path, form, towers, objective):
    folder = saved(tmp_path / "ours", tiny, towers=towers)
    if form:
        export_model(folder, form, tmp_path / "theirs")
        folder = tmp_path / "imported"
        assert main.main(["--job=import", f"--source={tmp_path / 'theirs'}", f"--workdir={folder}"]) == 0
    given = (
        "--config.objectives.contrastive.weight=0",
        f"--config.objectives.learning={{'kind': 'guided:{objective}', 'weight': 1.0}}",
        f"--config.frozen.teacher={{'checkpoint': '{folder}'}}",
    )
    make, mesh = opened((*SMALL, *given), (2, 2, 1))
    field = {"Reading": "text", "Imitation": "image"}[objective]
    with jax.set_mesh(mesh):
        stage = make()
        state = stage.training.initial_state()
        batch, rows = first_rows(stage, mesh)
        see = jax.jit(
            lambda state, rows: getattr(encodings_of(stage, state, rows).frozen("teacher"), field)()
        )
        found = jax.device_get(see(state, rows))
        _, metrics = stage.training.train_step(state, rows)
        assert np.isfinite(float(metrics["learning/loss"]))
    model = vlp.load(folder)
    if field == "text":
        expected = model._encode("text", batch["teacher/text"], batch["teacher/text_mask"])
    else:
        expected = model.encode_image_array(batch["teacher/image"])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_step_is_replayed_with_what_stood_beside_it(run, capsys):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    logged = next(line["guided/loss"] for line in lines if line["step"] == 4 and "guided/loss" in line)
    assert main.main(["--job=replay", f"--checkpoint={run}", "--step=4"]) == 0
    printed = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("guided/loss"))
    assert float(printed.split()[1]) == pytest.approx(logged, rel=1e-5)


def test_the_plan_knows_what_stands_beside_a_batch(flags, tmp_path, capsys):
    assert main.main(["--job=plan", *flags, f"--workdir={tmp_path}"]) == 0
    assert "beside the batch" in capsys.readouterr().out
    (plan,) = json.loads((tmp_path / "plan.json").read_text())["plans"]
    assert "teacher/image" in plan["compiled"]["fields"] and plan["compiled"]["other_flops"] > 0


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("--config.data.texts={}", "an active objective needs data.texts.classes, and there is none"),
        ("--config.frozen={}", "an active objective needs frozen.teacher, and there is none"),
        ("--config.frozen.teacher={'checkpoint': 'nowhere'}", "frozen.teacher: there is no checkpoint"),
        ("--config.data.texts.classes={'path': 'nowhere.json'}", "data.texts.classes: "),
    ],
)
def test_what_is_not_there_is_said_in_a_line(flags, tmp_path, capsys, missing, message):
    assert main.main([*flags, missing, f"--workdir={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(("kind", "shape", "factor"), [("classes", (16,), 1), ("bags", (16, 2), 2)])
def test_a_batch_may_be_of_labels_and_its_rows_bags(kind, shape, factor):
    sampled = (f"--config.data.sampler.kind={kind}", "--config.data.sampler.each=2")
    make, mesh = opened((*SMALL, *sampled), (2, 1, 1))
    with jax.set_mesh(mesh):
        stage = make()
        batch, rows = first_rows(stage, mesh)
        _, metrics = stage.training.train_step(stage.training.initial_state(), rows)
    assert batch["image"].shape == (*shape, 64, 64, 3) and np.isfinite(float(metrics["loss"]))
    plain = FrozenConfigDict(configuration.resolve(configuration.parse(SMALL, cli.OPTIONS).config))
    assert forward_flops(stage.config) == factor * forward_flops(plain)
