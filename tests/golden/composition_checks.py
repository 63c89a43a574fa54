"""Queries made of an image and a text."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from given import made
from golden_vectors import Golden

from vlp.given import Context
from vlp.objectives.sentence_prompts import SentencePromptRetrieval

SMALL = {"size": "", "width": 8, "depth": 1, "heads": 1, "mlp_dim": 8}
CONTEXT = Context.from_dict({"texts": {"changes": [3, 3]}, "labels": {"changes": 3}})


def sprc(golden: Golden) -> None:
    """The three terms of recorded embeddings and prompts; the temperature is a number of the objective's."""
    names = ("fusion_features", "relative_features", "target_features", "fusion_hidden", "temperature")
    (free,), count = golden.inputs("prompt_tokens"), golden["n_query"].item()
    weights = {
        f"{ours}_weight": golden.number(f"weight_{name}")
        for ours, name in (("free", "rtc"), ("align", "align"))
    }
    settings = {"prompts": count, **weights}
    objective = made(
        SentencePromptRetrieval,
        "sentence_prompts",
        width=free.shape[2],
        context=CONTEXT,
        own=SMALL,
        **settings,
    )
    graphdef, state = nnx.split(objective)

    def loss(query, blind, targets, hidden, temperature) -> jax.Array:
        own = nnx.merge(graphdef, state, copy=True)
        own.free[...], own.temperature[...] = free[0], temperature
        there = jnp.ones(len(query), bool)
        return own.compare(query, blind, targets, hidden[:, :count], there)[0].mean()

    expected = [golden[f"grad_{name}"] for name in names]
    golden.differentiated(loss, golden.inputs(*names), golden["loss"], *expected)


CHECKS = {"sprc": sprc}
