"""Writing by the likeliest token, by beams and all at once; what is predicted of texts; and what need not be held."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.kernels.next_token import token_fit
from vlp.models.compute import Compute
from vlp.models.decoding import Frame, beam_search, greedy
from vlp.models.sizes import TowerSize
from vlp.models.text_decoder import TextDecoder

SIZE = TowerSize(16, 2, 2, 32)


def dice(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def text_decoder(**options):
    compute = Compute(unroll=True)
    return TextDecoder(
        SIZE, vocabulary_size=9, length=7, memory_width=12, compute=compute, rngs=nnx.Rngs(3), **options
    )


def test_greedy_writing_takes_the_likeliest_token_after_those_before():
    model, memory = text_decoder(), 3 * dice(4, 5, 12, seed=2)
    written = np.asarray(jax.jit(lambda m: model.write(m, begin=1, end=2))(memory))
    for row in range(4):
        ids = [1]
        while len(ids) < 7 and ids[-1] != 2:
            scores = model(jnp.asarray([ids]), memory[row : row + 1])
            ids.append(int(scores[0, -1].argmax()))
        assert written[row].tolist() == ids + [0] * (7 - len(ids))


def test_a_text_decoder_learns_to_say_what_its_memory_holds():
    model = text_decoder()
    graphdef, params = nnx.split(model, nnx.Param)
    memory = dice(4, 5, 12, seed=2)
    texts = jnp.asarray([[1, 3 + row, 4 + row, 2, 0, 0, 0] for row in range(4)])

    def loss(params):
        scores = nnx.merge(graphdef, params)(texts[:, :-1], memory)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(scores), texts[:, 1:, None], axis=-1)[..., 0]
        return -jnp.where(texts[:, 1:] > 0, chosen, 0.0).sum() / 12

    step = jax.jit(lambda p: jax.tree.map(lambda x, g: x - 0.5 * g, p, jax.grad(loss)(p)))
    for _ in range(60):
        params = step(params)
    assert float(loss(params)) < 0.1
    np.testing.assert_array_equal(nnx.merge(graphdef, params).write(memory, begin=1, end=2), texts)


def table(seed):
    """Scores of what follows, by the last two tokens: the whole of a language of five words."""
    scores = 2.0 * np.random.default_rng(seed).normal(size=(5, 5, 5)).astype(np.float32)

    def score_next(ids, place):
        before = ids[:, jnp.maximum(place - 2, 0)], ids[:, jnp.maximum(place - 1, 0)]
        return jnp.asarray(scores)[before]

    return scores, score_next


def likeliest(scores, frame):
    """Of all texts there are, the one of the largest mean log-likelihood."""
    shares = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    best = (-np.inf, ())
    for body in itertools.product(range(5), repeat=frame.length - 1):
        text = [frame.begin, *body]
        ended = text.index(frame.end) if frame.end in text else frame.length - 1
        if any(one != frame.pad for one in text[ended + 1 :]):
            continue
        steps = [
            shares[text[max(place - 2, 0)], text[place - 1], text[place]] for place in range(1, ended + 1)
        ]
        best = max(best, (np.mean(steps), tuple(text)))
    return list(best[1])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_beams_enough_for_all_texts_find_the_likeliest_of_all(seed):
    frame = Frame(5, begin=1, end=2, pad=0)
    scores, score_next = table(seed)
    assert beam_search(score_next, frame, 1, 625)[0].tolist() == likeliest(scores, frame)
    np.testing.assert_array_equal(beam_search(score_next, frame, 1, 1), greedy(score_next, frame, 1))


def test_beams_write_for_each_memory_what_they_write_for_it_alone():
    model, memory = text_decoder(), 3 * dice(3, 5, 12, seed=2)
    write = jax.jit(lambda m: model.write(m, begin=1, end=2, beams=3))
    together = write(memory)
    np.testing.assert_array_equal(together[1:2], write(jnp.stack([memory[1]] * 3))[:1])


def test_a_decoder_with_a_start_predicts_and_writes_the_first_token():
    model, memory = text_decoder(start=True), 3 * dice(4, 5, 12, seed=2)
    written = np.asarray(model.write(memory, begin=1, end=2))
    scores = model(jnp.asarray(written[:, :-1]), memory)
    assert scores.shape == (4, 7, 9)
    np.testing.assert_array_equal(written[:, 0], scores[:, 0].argmax(-1))


def test_texts_that_are_predicted_at_once_are_not_seen_and_written_alike():
    model, memory = text_decoder(parallel=True), 3 * dice(2, 5, 12, seed=2)
    parallel = jnp.asarray([True, False])
    texts = jnp.asarray(np.random.default_rng(0).integers(3, 9, (2, 2, 6)))
    one, other = (model.outputs(ids, memory, parallel=parallel) for ids in texts)
    np.testing.assert_array_equal(one[0], other[0])
    assert np.abs(one[1] - other[1]).max() > 1e-3
    np.testing.assert_allclose(one[1], model.outputs(texts[0], memory)[1], atol=1e-6)
    written = np.asarray(model.write_at_once(memory, begin=1, end=2))
    best = np.asarray(model.scores(one)[0].argmax(-1))
    ended = best.tolist().index(2) + 1 if 2 in best else 6
    assert written[0].tolist() == [1, *best[:ended], *[0] * (6 - ended)]


def test_chunks_change_nothing_and_the_scores_of_all_places_are_never_there():
    outputs, weights = dice(4, 21, 16), dice(16, 5000, seed=1)
    ids = jnp.asarray(np.random.default_rng(0).integers(0, 5000, (4, 21)))

    def loss(outputs, weights, chunk):
        return token_fit(lambda rows: rows @ weights, outputs, ids, chunk=chunk).likelihoods.sum()

    step = {
        chunk: jax.jit(lambda x, w, chunk=chunk: jax.value_and_grad(loss, argnums=(0, 1))(x, w, chunk))
        .lower(outputs, weights)
        .compile()
        for chunk in (0, 4)
    }
    expected, value = step[0](outputs, weights), step[4](outputs, weights)
    for leaf, other in zip(jax.tree.leaves(expected), jax.tree.leaves(value), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-4, atol=1e-5)
    held = {chunk: one.memory_analysis().temp_size_in_bytes for chunk, one in step.items()}
    everywhere, somewhere = 4 * 21 * 5000 * 4, 4 * 4 * 5000 * 4
    assert held[0] > everywhere > held[4] - weights.nbytes
    assert "f32[4,21,5000]" not in step[4].as_text()
    assert held[4] < 4 * somewhere + 2 * weights.nbytes
