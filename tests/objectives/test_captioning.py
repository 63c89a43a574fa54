"""Captioning: cross-entropy of the next token alone, no text tower for it, and a part that writes after training."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import main
import vlp
from vlp import configuration
from vlp.given import TEXTS
from vlp.interop.exported import export_model
from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer
from vlp.training.towers import towers_of

SMALL = [
    f"--config.model.{tower}.{size}"
    for tower in ("image", "text")
    for size in ("width=16", "depth=1", "heads=2", "mlp_dim=32")
]
CASE = runpy.run_path(str(Path(__file__).parent / "cases" / "captioning.py"))


@pytest.fixture
def pretrainer(config):
    config.objectives.contrastive.weight = 0.0
    config.objectives.captioning.update({**CASE["SETTINGS"], "weight": 1.0, "parallel": 0.0, "seen": 1.0})
    config.model.image.patch_dropout = 0.0
    return Pretrainer(config, vocabulary_size=50, compute=Compute())


def seen(pretrainer, batch):
    return pretrainer.encodings(batch, key=jax.random.key(0), step=jnp.int32(0))


def test_the_loss_is_cross_entropy_of_the_next_token(pretrainer, batch):
    writer, encodings = pretrainer.objectives["captioning"].writer, seen(pretrainer, batch)
    output = pretrainer.objectives["captioning"](encodings)
    scores = np.asarray(writer.decoder(batch["text"], encodings.image_tower().tokens), np.float64)
    ids, mask = np.asarray(batch["text"]), np.asarray(batch["text_mask"])
    log_shares = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    likelihoods = np.take_along_axis(log_shares[:, :-1], ids[:, 1:, None], axis=2)[..., 0][mask[:, 1:]]
    assert float(output.loss.mean()) == pytest.approx(-likelihoods.mean(), rel=1e-5)
    right = (scores[:, :-1].argmax(-1) == ids[:, 1:])[mask[:, 1:]]
    assert float(output.metrics["accuracy"]) == pytest.approx(right.mean())
    # What stands behind a text changes nothing.
    other = {**batch, "text": jnp.where(batch["text_mask"], batch["text"], 7)}
    assert float(pretrainer.objectives["captioning"](seen(pretrainer, other)).loss.mean()) == float(
        output.loss.mean()
    )


def test_texts_without_a_beginning_are_predicted_from_their_first_token_on_and_half_of_them_at_once(
    config, batch
):
    config.objectives.contrastive.weight = 0.0
    config.objectives.captioning.update({**CASE["SETTINGS"], "weight": 1.0, "start": True})
    pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute())
    objective, encodings = pretrainer.objectives["captioning"], seen(pretrainer, batch)
    at_once = jax.random.bernoulli(encodings.key("text/parallel"), 0.5, (8,))
    assert 0 < at_once.sum() < 8
    memory, whole = objective._memory(encodings), np.asarray(encodings.image_tower().tokens)
    assert memory.shape == (8, whole.shape[1] // 2, 16), (
        "the decoder sees half of the patches, each image's own"
    )
    assert all(row in whole[0] for row in np.asarray(memory[0]))
    fit, real = objective.writer.predicted(batch["text"], batch["text_mask"], memory, at_once)
    np.testing.assert_array_equal(real, batch["text_mask"])
    expected = float(-np.where(real, fit.likelihoods, 0).sum() / real.sum())
    assert float(objective(encodings).loss.mean()) == pytest.approx(expected, rel=1e-6)


def test_a_tokenizer_without_a_beginning_asks_for_a_start():
    config = configuration.load_config("configs/coca.py:runlocal")
    config.tokenizer.kind = "siglip"
    with pytest.raises(configuration.ConfigError, match="never predicts the first token"):
        configuration.validate(config)


def test_alone_it_reads_no_text_tower(pretrainer, config, batch):
    assert towers_of(config, pretrainer).built == ("image",)
    assert pretrainer.encoded == ("image",)
    config.objectives.contrastive.weight = 1.0
    both = nnx.eval_shape(lambda: Pretrainer(config, vocabulary_size=50, compute=Compute()))
    assert towers_of(config, both).built == ("image", "text")


def test_scores_are_mean_log_likelihoods_of_texts(pretrainer, batch):
    arrays = {"ids": batch["text"][:3], "mask": batch["text_mask"][:3]}
    encodings = seen(pretrainer, {**batch, TEXTS + "candidates": arrays})
    writer = pretrainer.objectives["captioning"].writer
    scores = np.asarray(writer.score(encodings, "candidates"))
    assert scores.shape == (8, 3)
    memory = encodings.image_tower().tokens
    for column in range(3):
        ids, mask = (jnp.repeat(rows[column : column + 1], 8, axis=0) for rows in arrays.values())
        fit, real = writer.predicted(ids, mask, memory)
        expected = np.where(real, fit.likelihoods, 0).sum(1) / np.asarray(real).sum(1)
        np.testing.assert_allclose(scores[:, column], expected, rtol=1e-5)


@pytest.mark.slow
def test_a_model_without_a_text_tower_writes_and_scores(tmp_path, capsys):
    few = ("--config.steps=3", "--config.tokenizer.length=8", "--config.evaluators.image_retrieval.final=0")
    run = ["--config=configs/openvision2.py:runlocal", f"--workdir={tmp_path}", *SMALL[:4], *few]
    assert main.main(run) == 0, capsys.readouterr().err
    model = vlp.load(tmp_path)
    assert model.towers == ("image",)
    images = np.zeros((2, 64, 64, 3), np.uint8)
    assert model.scorer("writer").score(images, ["a cat", "two dogs", "a"]).shape == (2, 3)
    assert len(model.caption(list(images))) == 2


@pytest.mark.slow
def test_a_loaded_model_writes_what_its_decoder_finds_likeliest(tmp_path, capsys):
    off = [
        f"--config.evaluators.{one}.{flag}"
        for one in ("retrieval", "zero_shot")
        for flag in ("every=0", "final=0")
    ]
    flags = ("--config.steps=2", "--config.tokenizer.length=8", "--config.model.image.pre_norm=true", *off)
    run = ["--config=configs/coca.py:runlocal", f"--workdir={tmp_path}", *SMALL, *flags]
    assert main.main(run) == 0, capsys.readouterr().err
    model = vlp.load(tmp_path)
    assert list(model.parts) == ["captioning/writer"]
    images = [np.full((32, 32, 3), colour, np.uint8) for colour in (0, 120, 250)]
    texts = model.caption(images)
    assert len(texts) == 3 and all(isinstance(text, str) for text in texts)
    assert model.caption(images[1]) == [texts[1]], "an image is captioned alike, alone or with others"
    assert model.caption(images, beams=1) == texts and len(model.caption(images, beams=3)) == 3
    evaluate = ["--job=evaluate", f"--checkpoint={tmp_path}", "--config=configs/eval/captioning.py"]
    assert main.main([*evaluate, "--config.evaluators.captioning.beams=2"]) == 0, capsys.readouterr().err
    figures = json.loads((tmp_path / "evaluations" / "captioning.json").read_text())
    assert {"bleu4", "cider", "perplexity"} <= {one.rpartition("/")[2] for one in figures}
    assert 1 < figures["captioning/val/perplexity"] < 2 * model.tokenizer.vocabulary_size
    scorer = model.scorer("writer")
    assert scorer.score(np.stack([np.zeros((64, 64, 3), np.uint8)]), ["a cat", "two dogs"]).shape == (1, 2)
    assert "has no place for captioning/writer" in "".join(
        export_model(tmp_path, "huggingface", tmp_path / "theirs")
    )
    with pytest.raises(ValueError, match="no part 'painter'; the model has captioning/writer"):
        model.caption(images, part="painter")
