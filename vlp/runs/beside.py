"""What a run has beside its batches: constant texts, tokenised once, and frozen models, read from their checkpoints."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import PyTree
from ml_collections import ConfigDict, FrozenConfigDict

from input_pipeline.constants import load_constants
from input_pipeline.errors import UserError
from input_pipeline.guests import Guest
from input_pipeline.label_fields import Vocabulary, load_vocabulary
from input_pipeline.tokenizers import Tokenizer, tokenizer_from_bytes
from vlp.checkpoint import digest_of, find_checkpoint, load_model_arrays, model_branches, read_description
from vlp.configuration import completed, stage_config
from vlp.embeddings.origins import check_origins
from vlp.given import FROZEN, LABELS, PARTS, TEXTS, Context, FrozenModel, FrozenSizes, Given
from vlp.models.compute import Compute, cast, in_precision, resolve_compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.families import TOWERS, family
from vlp.models.variables import merged
from vlp.parallel.sharding import on_mesh, variable_splits
from vlp.parts import abstract_modules, parts_of


@dataclasses.dataclass(frozen=True, eq=False)
class FrozenEntry(Guest):
    """An entry of `frozen`, opened.

    Attributes:
      folder: of the checkpoint.
      config: of the run that trained it, as the stage that saved it has it.
      dtype: of its weights and sums; '' = float32, and sums as in the run.
      parts: of it that are read, as 'entry/part'.
    """

    folder: Path
    config: Any
    dtype: str
    parts: tuple[str, ...] = ()

    _arrays: dict[Mesh, PyTree] = dataclasses.field(default_factory=dict)

    def on(self, mesh: Mesh, abstract: PyTree) -> PyTree:
        """Returns its arrays on a mesh, read when they are first asked for; the stages of a run share them."""
        if mesh not in self._arrays:
            self._arrays[mesh] = _placed(abstract, self._variables(), f"the frozen model at {self.folder}")
        return self._arrays[mesh]

    def _variables(self) -> dict[str, Any]:
        """Its arrays on the host: the running mean where the checkpoint kept one."""
        arrays = load_model_arrays(self.folder)
        params, rest = arrays.get("ema", arrays["params"]), arrays.get("rest", {})
        graphdefs: Any = dict.fromkeys(self.parts)  # of which the arrays alone are asked
        parts = parts_of(graphdefs, params, rest)
        own = {name: parts.find(name).variables for name in self.parts}
        return {**merged(params["model"], rest.get("model", {})), PARTS: own}

    def modules(self, name: str) -> dict[str, nnx.Module]:
        """Returns its parts with shapes for arrays.

        Raises:
          UserError: it has no such part.
        """
        if not self.parts:
            return {}
        context = Context.from_dict(read_description(self.folder).progress.get("context", {}))
        found = abstract_modules(self.config, self.tokenizer.vocabulary_size, context)
        for part in self.parts:
            if part not in found:
                there = ", ".join(found) or "none"
                raise UserError(f"frozen.{name}.parts: there is no '{part}' in {self.folder}; it has {there}")
        return {part: found[part] for part in self.parts}


def pinned(config: Any) -> Any:
    """Returns the config with the digests of its frozen models' checkpoints, so that a run goes on with no others.

    Raises:
      ValueError: there is no checkpoint, another one than the config's digest says, or a table of embeddings of
        another than its entry says, or of other views than this run's.
    """
    check_origins(config.data.tables, config.data.image)
    if not config.frozen:
        return config
    whole = ConfigDict(config).copy_and_resolve_references()
    for name, entry in whole.frozen.items():
        found = digest_of(_folder(name, entry))
        if entry.digest not in ("", found):
            raise UserError(
                f"frozen.{name}.digest={entry.digest}: the checkpoint at {entry.checkpoint} is another one, of digest "
                f"{found}; put the old one back, or set frozen.{name}.digest='' in a new workdir"
            )
        entry.digest = found
    return FrozenConfigDict(whole)


def open_frozen(config: Any) -> dict[str, FrozenEntry]:
    """Opens the entries of `frozen`; reads none of their arrays.

    Raises:
      ValueError: there is no intact checkpoint.
    """
    opened = {}
    for name, entry in config.frozen.items():
        folder = _folder(name, entry)
        description = read_description(folder)
        whole = FrozenConfigDict(completed(description.config))
        opened[name] = FrozenEntry(
            preprocessing=description.preprocessing,
            tokenizer=tokenizer_from_bytes(description.tokenizer, description.tokenizer_spec),
            folder=folder,
            config=stage_config(whole, description.progress["step"]),
            dtype=entry.dtype,
            parts=tuple(entry.get("parts", ())),
        )
    return opened


def _folder(name: str, entry: Any) -> Path:
    if not entry.checkpoint:
        raise UserError(f"frozen.{name}.checkpoint is empty: name a workdir or a checkpoint")
    try:
        return find_checkpoint(entry.checkpoint)
    except ValueError as error:
        raise UserError(f"frozen.{name}: {error}") from None


def given(
    config: Any,
    preprocessing: Mapping[str, Any],
    tokenizer: Tokenizer,
    frozen: Mapping[str, FrozenEntry],
    platform: str = "",
) -> Given:
    """Returns what stands beside the batches of a stage.

    Args:
      config: of the stage.
      preprocessing: of its model.
      tokenizer: of its model.
      frozen: from `open_frozen`.
      platform: of the devices; '' = those at hand.

    Raises:
      ValueError: texts cannot be read.
    """
    constants = load_constants(config.data, tokenizer)
    texts = {name: one.arrays for name, one in constants.items()}
    models = {}
    for name, entry in frozen.items():
        shared = _shared(config, preprocessing, tokenizer, entry)
        models[name] = _frozen_model(name, entry, config, shared, platform)
        if not entry.same_tokens(tokenizer) and config.data.texts:
            plain = {"sources": config.data.sources, "texts": _without_prefixes(config.data.texts)}
            own = load_constants(plain, entry.tokenizer)
            texts |= {f"{name}/{one}": constant.arrays for one, constant in own.items()}
    answered = {name: tuple(one.places) for name, one in vocabularies(config).items()}
    names = {TEXTS + name: one.labels for name, one in constants.items()}
    names |= {LABELS + name: own for name, own in answered.items()}
    return Given(texts, models, {name: len(own) for name, own in answered.items()}, names)


def vocabularies(config: Any) -> dict[str, Vocabulary]:
    """Returns the entries of `data.labels`.

    Raises:
      ValueError: a file is missing or of another form.
    """
    labels, sources = config.data.labels, config.data.sources
    return {name: load_vocabulary(name, entry, sources) for name, entry in labels.items()}


def _without_prefixes(texts: Mapping[str, Any]) -> dict[str, Any]:
    """Prefix tokens are those of the model that is trained."""
    return {name: {**entry, "prefix_token": ""} for name, entry in texts.items()}


def _shared(
    config: Any, preprocessing: Mapping[str, Any], tokenizer: Tokenizer, entry: FrozenEntry
) -> frozenset[str]:
    """The batch fields that a frozen model reads as they are."""
    shared = set()
    image = config.model.image
    ends = family("image", image).arrays(image, image.resolution)
    for name, view in {"image": {}, **config.data.image_views}.items():
        resolution = view.get("resolution", 0) or preprocessing["resolution"]
        if entry.same_pixels({**preprocessing, **view, "resolution": resolution}):
            shared |= {f"{name}{end}" for end in ends}
    if entry.same_tokens(tokenizer):
        shared |= {f"{name}{end}" for name in ("text", *config.data.text_views) for end in ("", "_mask")}
        shared |= {TEXTS + name for name in config.data.texts}
    return frozenset(shared)


def _frozen_model(
    name: str, entry: FrozenEntry, config: Any, shared: frozenset[str], platform: str
) -> FrozenModel:
    compute, branches = _compute(entry, config, platform), model_branches(entry.folder)

    def build() -> DualEncoder:
        return DualEncoder(
            entry.config.model,
            vocabulary_size=entry.tokenizer.vocabulary_size,
            length=entry.tokenizer.length,
            compute=compute,
            rngs=nnx.Rngs(0),
            towers=[tower for tower in TOWERS if tower in branches],
        )

    model, parts = nnx.eval_shape(build), entry.modules(name)
    graphdef, state = nnx.split(model)
    variables = nnx.to_pure_dict(state)
    if parts:
        variables[PARTS] = {own: nnx.to_pure_dict(nnx.state(part)) for own, part in parts.items()}
    abstract = jax.eval_shape(functools.partial(cast, dtype=entry.dtype), variables)
    widths = (getattr(tower, "width", 0) for tower in (model.image, model.text))
    return FrozenModel(
        name=name,
        graphdef=graphdef,
        abstract=abstract,
        splits=variable_splits(model),
        sizes=FrozenSizes(model.embed_dim, *widths),
        mean=tuple(entry.preprocessing["mean"]),
        std=tuple(entry.preprocessing["std"]),
        shared=shared,
        config=_as_read(entry, config),
        parts={own: nnx.graphdef(part) for own, part in parts.items()},
    )


def _compute(entry: FrozenEntry, config: Any, platform: str) -> Compute:
    """As this run computes, in its own or the asked precision; nothing is kept for a backward pass."""
    settings = ConfigDict(entry.config.model).copy_and_resolve_references()
    own = {name: config.model[name] for name in ("dtype", "attention", "scan_blocks", "micro_batch")}
    settings.update(own, remat="none")
    return resolve_compute(in_precision(settings, entry.dtype), platform)


def _as_read(entry: FrozenEntry, config: Any) -> FrozenConfigDict:
    """Its model and tokens, and the views of this run, at its resolution."""
    views = {
        group: {name: {"count": view.get("count", 1)} for name, view in config.data[group].items()}
        for group in ("image_views", "text_views")
    }
    return FrozenConfigDict({"model": entry.config.model, "tokenizer": entry.config.tokenizer, "data": views})


def placed(
    beside: Mapping[str, PyTree], texts: Given, frozen: Mapping[str, FrozenEntry], mesh: Mesh
) -> dict[str, PyTree]:
    """Puts the arrays of `Training.beside` on the devices that it says; every host reads the same files.

    Raises:
      UserError: a frozen model's checkpoint holds other arrays than its config says.
    """
    return {
        name: frozen[name.removeprefix(FROZEN)].on(mesh, abstract)
        if name.startswith(FROZEN)
        else _placed(abstract, texts.texts[name.removeprefix(TEXTS)], name)
        for name, abstract in beside.items()
    }


def _placed(abstract: PyTree, arrays: Mapping[str, Any], where: str) -> PyTree:
    def place(path: tuple[Any, ...], like: jax.ShapeDtypeStruct) -> jax.Array:
        found: Any = arrays
        for entry in path:
            found = found.get(entry.key, {})
        shape = getattr(found, "shape", None)
        if shape != like.shape:
            name = "/".join(str(entry.key) for entry in path)
            raise UserError(f"{where}: its arrays have {shape} for {name}, and its config says {like.shape}")
        return on_mesh(np.asarray(found, like.dtype), like.sharding.mesh, like.sharding.spec)

    return jax.tree_util.tree_map_with_path(place, abstract)
