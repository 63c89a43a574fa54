"""The state that a fresh run begins with: drawn, taken from other checkpoints, and spelled in words."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int, PyTree

from input_pipeline.errors import UserError
from input_pipeline.tokenizers import Tokenizer
from vlp.given import Given
from vlp.models.variables import merged
from vlp.runs.stage import Stage
from vlp.runs.started import check_uses
from vlp.training.start import ORIGINS, check_bounds, start_from
from vlp.training.state import TrainState
from vlp.training.towers import check_started

CONTEXT = ("model", "text", "context")


def fresh_state(config: Any, stages: Sequence[Stage]) -> TrainState:
    """Returns the state before the first step.

    Args:
      config: of the run.
      stages: of the run.

    Raises:
      ValueError: a checkpoint to start from is another model or is used as one, a tower would be measured that nothing
        has trained, or a learned context cannot begin as the config says.
    """
    settings = config.checkpoint
    origins = [f"checkpoint.{name}={settings[name]}" for name in ORIGINS if settings[name]]
    check_started(stages[0].training.towers, config)
    stage = stages[-1] if origins else stages[0]  # what is given is a whole model
    state = initial = stage.training.initial_state()
    if origins:
        state = start_from(settings, initial, parts=stage.training.parts)
        check_uses(stage.config, stage.tokenizer, state.params["model"], stage.training.parts)
        check_bounds(state.params, stage.training.bounds, origins[0])
    fresh = _at(state.params, CONTEXT) is None or (
        _at(state.params, CONTEXT)["embedding"] is _at(initial.params, CONTEXT)["embedding"]
    )
    return with_context(stage.config.model.text, stage.tokenizer, stage.given, state) if fresh else state


def with_context(settings: Any, tokenizer: Tokenizer, given: Given, state: TrainState) -> TrainState:
    """Returns the state with a learned context that begins as words, and knows which texts have one of their own.

    Args:
      settings: `model.text` of the config.
      tokenizer: of the model.
      given: with the constant texts that contexts belong to.
      state: before the first step.

    Raises:
      ValueError: the words are of another number of tokens than the context, or the texts of another number.
    """
    params, rest = state.params, state.rest
    if settings.get("context_words", "") and _at(params, CONTEXT) is not None:
        ids = _words(settings, tokenizer)
        table = _at(params, ("model", "text", "embedding"))["embedding"]
        own = _at(params, CONTEXT)["embedding"]
        params = merged(params, _nested(CONTEXT, {"embedding": _spelled(table, ids, own)}))
    if settings.get("context_texts", "") and _at(rest, CONTEXT) is not None:
        names = _at(rest, CONTEXT)["names"]
        found = _class_texts(settings, given)
        rest = merged(rest, _nested(CONTEXT, {"names": jax.device_put(found, names.sharding)}))
    return dataclasses.replace(state, params=params, rest=rest, ema=_like(state.ema, params))


def _like(ema: PyTree, params: PyTree) -> PyTree:
    """The running mean, whose context begins as that of the parameters; copies of it, as the step gives both away."""
    if ema is None or _at(ema, CONTEXT) is None:
        return ema
    copied = _at(params, CONTEXT)["embedding"].copy()
    return merged(ema, _nested(CONTEXT, {"embedding": copied}))


def _words(settings: Any, tokenizer: Tokenizer) -> Int[np.ndarray, " count"]:
    ids, mask = tokenizer.encode([settings.context_words])
    begins = int(tokenizer.special.begin is not None)
    own = ids[0][mask[0]][begins:-1]
    if len(own) != settings.context:
        raise UserError(
            f"model.text.context_words='{settings.context_words}' is {len(own)} tokens, and "
            f"model.text.context={settings.context}: set it to {len(own)}"
        )
    return np.asarray(own)


def _spelled(table: Array, ids: Int[np.ndarray, " count"], like: Array) -> Array:
    """Rows of the token embedding in the shape, and on the devices, of a context."""

    @functools.partial(jax.jit, out_shardings=like.sharding)
    def spell(table: Array) -> Array:
        return jax.numpy.broadcast_to(table[ids].astype(like.dtype), like.shape)

    return spell(table)


def _class_texts(settings: Any, given: Given) -> Int[np.ndarray, "classes length"]:
    name, classes = settings.context_texts, settings.context_classes
    given.context.texts[name]  # refuses what is not there
    ids, label = (given.texts[name][key] for key in ("ids", "label"))
    if len(ids) != len({*label.tolist()}) or len(ids) != classes:
        raise UserError(
            f"data.texts.{name} has {len(ids)} texts of {len({*label.tolist()})} labels, and "
            f"model.text.context_classes={classes}: give each label one text, and say how many there are"
        )
    return np.asarray(ids, np.int32)


def _at(tree: PyTree, path: Sequence[str]) -> Any:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
        if tree is None:
            return None
    return tree


def _nested(path: Sequence[str], leaf: Any) -> Any:
    return functools.reduce(lambda inner, name: {name: inner}, reversed(path), leaf)
