"""Captioning: open_clip's CoCa loss, and next tokens from a trunk's outputs, a few places at a time."""

from __future__ import annotations

import jax.numpy as jnp
from golden_vectors import Golden

from vlp.kernels.loss import Loss
from vlp.kernels.next_token import token_fit


def mean_loss(score, outputs, ids, real, chunk):
    likelihoods = token_fit(score, outputs, ids, chunk=chunk).likelihoods
    return Loss(-jnp.where(real, likelihoods, 0.0).sum(), real.sum(dtype=likelihoods.dtype)).mean()


def coca(golden: Golden) -> None:
    logits, labels = golden.inputs("logits", "labels")
    real = labels != golden.number("pad_id")
    assert real.sum() == golden.number("n_tokens")
    for chunk in (0, 2):

        def loss(logits, chunk=chunk):
            return golden.number("caption_weight") * mean_loss(lambda rows: rows, logits, labels, real, chunk)

        golden.differentiated(loss, [logits], golden["caption_loss"], golden["grad_logits"])


def genlip(golden: Golden) -> None:
    hidden, kernel, bias, text, real = golden.inputs(
        "hidden", "head_kernel", "head_bias", "text", "text_valid"
    )
    first = golden.number("n_image") - 1

    def loss(hidden, kernel):
        outputs = hidden[:, first : first + text.shape[1]]
        return mean_loss(lambda rows: rows @ kernel + bias, outputs, text, real, 3)

    expected = golden["loss"], golden["grad_hidden"], golden["grad_head_kernel"]
    golden.differentiated(loss, [hidden, kernel], *expected)


CHECKS = {"coca_openclip": coca, "genlip_openclip": genlip}
