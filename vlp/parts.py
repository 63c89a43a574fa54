"""What objectives learned beside the towers and want to outlive training: modules, by the names of their entries."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from flax import nnx
from jaxtyping import PyTree

from input_pipeline.errors import UserError
from vlp.checkpoint import load_model_arrays, read_description
from vlp.given import Context
from vlp.models.compute import resolve_compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.variables import merged
from vlp.objectives import active_objectives
from vlp.objectives.base import Objective


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """A module without arrays, and the arrays."""

    graphdef: nnx.GraphDef[Any]
    variables: PyTree

    def module(self) -> Any:
        """Returns the module, to be called."""
        return nnx.merge(self.graphdef, self.variables)


class Parts(Mapping[str, Any]):
    """Parts by 'entry/part', and by 'part' alone where no other entry has one of that name."""

    def __init__(self, parts: Mapping[str, Part]):
        """Takes parts by 'entry/part'."""
        self._parts = dict(parts)

    def find(self, name: str) -> Part:
        """Returns the part of a name, in pieces.

        Raises:
          ValueError: there is none, or there are several.
        """
        found = [own for own in self._parts if name in (own, own.partition("/")[2])]
        if len(found) != 1:
            there = ", ".join(self._parts) or "none"
            raise UserError(
                f"there {'is no' if not found else 'are several'} part '{name}'; the model has {there}"
            )
        return self._parts[found[0]]

    def __getitem__(self, name: str) -> Any:
        try:
            return self.find(name).module()
        except ValueError as error:
            raise KeyError(str(error)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


def part_graphdefs(objectives: Mapping[str, Objective]) -> dict[str, nnx.GraphDef[Any]]:
    """Collects the structures of the parts of objectives, by 'entry/part'."""
    return {
        f"{name}/{part}": nnx.graphdef(getattr(one, part))
        for name, one in objectives.items()
        for part in one.parts
    }


def parts_of(graphdefs: Mapping[str, nnx.GraphDef[Any]], params: PyTree, rest: PyTree) -> Parts:
    """Returns the parts with the arrays of a state or of a checkpoint.

    Args:
      graphdefs: from `part_graphdefs`.
      params: parameters, or their running mean, of towers and objectives.
      rest: all other variables.
    """
    return Parts(
        {
            name: Part(graphdef, merged(_branch(params, name), _branch(rest, name)))
            for name, graphdef in graphdefs.items()
        }
    )


def saved_parts(folder: Path, config: Any, vocabulary_size: int) -> Parts:
    """Returns the parts in a checkpoint.

    They are read when they are asked for: few need them, and class tables lie beside them.

    Args:
      folder: of the checkpoint.
      config: of the run that left it.
      vocabulary_size: of its tokenizer.
    """
    context = Context.from_dict(read_description(folder).progress.get("context", {}))
    arrays = load_model_arrays(folder)
    graphdefs = abstract_parts(config, vocabulary_size, context)
    return parts_of(graphdefs, arrays.get("ema", arrays["params"]), arrays.get("rest", {}))


def _branch(tree: PyTree, name: str) -> PyTree:
    entry, _, part = name.partition("/")
    return tree.get("objectives", {}).get(entry, {}).get(part, {})


def abstract_parts(config: Any, vocabulary_size: int, context: Context) -> dict[str, nnx.GraphDef[Any]]:
    """Finds the structures of the parts that the objectives of a config have, without any array; the arguments are
    those of `abstract_modules`."""
    modules = abstract_modules(config, vocabulary_size, context)
    return {name: nnx.graphdef(module) for name, module in modules.items()}


def abstract_modules(config: Any, vocabulary_size: int, context: Context) -> dict[str, nnx.Module]:
    """Finds the parts that the objectives of a config have, by 'entry/part', with shapes for arrays.

    Args:
      config: the whole resolved config.
      vocabulary_size: of the tokenizer.
      context: of the run.

    Raises:
      ConfigError: an objective of another package is not installed here.
    """

    def build() -> nnx.Dict[Objective]:
        key = jax.random.key(0)
        model = DualEncoder(
            config.model,
            vocabulary_size=vocabulary_size,
            length=config.tokenizer.length,
            compute=resolve_compute(config.model),
            rngs=nnx.Rngs(0),
        )
        known = context.with_tokens(vocabulary_size, config.tokenizer.length)
        return nnx.Dict(active_objectives(config.objectives, model, key, known))

    objectives = dict(nnx.eval_shape(build).items())
    return {f"{name}/{part}": getattr(one, part) for name, one in objectives.items() for part in one.parts}
