"""What each recipe's step costs beside the plain contrast on the same towers and batch: FLOPs of products, and time.

A recipe is a config of `python main.py --job=methods`, with the flags of a method that has some. The contrast is that
config with `contrastive` as its only objective, and nothing held. By itself the command takes recipes as their
`runlocal` has them, toys on a batch of noise; recipe and contrast make steps in turn, in one process. Ratios of toys
are not those of large towers, beside which heads are small: `--count` counts the recipe's own size in the program that
JAX hands to the compiler, and `--plan=v5e:2x2` in what a compiler for a topology makes of it, which for TPUs needs
requirements-tpu-plan.txt. Neither times anything.

    python -m benchmarks.recipes [--only=NAME,...] [--batch=64] [--rounds=7]
    python -m benchmarks.recipes --count [--only=NAME,...] [--batch=256] [--model=vit_b16]
    python -m benchmarks.recipes --count --only=mdetr --with="objectives.region_words.weight=0"
"""

from __future__ import annotations

import argparse
import functools
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from benchmarks.gpu_rows import noise
from benchmarks.harness import alternated
from benchmarks.plans import CLIP_TOKENIZER
from configs import base
from input_pipeline.catalogue import Catalogue
from input_pipeline.errors import UserError
from input_pipeline.tokenizers import load_tokenizer
from vlp.configuration import parse, resolve, to_dict
from vlp.given import Given
from vlp.methods import methods
from vlp.parallel.mesh import make_mesh
from vlp.planning.compile import abstract_batch, compile_step, trace_step
from vlp.planning.program import read_program
from vlp.planning.topology import open_topology
from vlp.runs.beside import given, open_frozen
from vlp.runs.data import preprocessing_spec
from vlp.training.build import Training, build_training

HEADER = "| recipe | objectives | FLOPs to the contrast | time to the contrast |"


class Recipe(NamedTuple):
    """Holds the name of a config file that trains a published method, and what that method sets besides."""

    name: str
    flags: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([self.name, *(f"`{flag.removeprefix('--config.')}`" for flag in self.flags)])


class Step(NamedTuple):
    """Holds a compiled step: FLOPs of its products and convolutions, and what makes one on noise."""

    flops: float
    make: Callable[[], None]


class Inputs(NamedTuple):
    """Holds what a config's data decide: tokens, what stands beside batches, and shapes of fields."""

    vocabulary_size: int
    given: Given
    shapes: dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="names of configs, several with commas")
    parser.add_argument("--batch", type=int, default=64, help="examples of a step")
    parser.add_argument("--rounds", type=int, default=7, help="of steps in turn; the median counts")
    parser.add_argument("--count", action="store_true", help="count at full size, and compile nothing")
    parser.add_argument("--plan", default="", help="compile at full size for a topology, such as v5e:2x2")
    parser.add_argument("--model", default="vit_b16", help="the image tower at full size")
    parser.add_argument("--with", dest="more", default="", help="other settings of the recipe, with commas")
    options = parser.parse_args()
    wanted, plain = [name for name in options.only.split(",") if name], dict[str, Step]()
    print(HEADER, "|" + " --- |" * (HEADER.count("|") - 1), sep="\n", flush=True)
    for recipe in recipes():
        if wanted and recipe.name not in wanted:
            continue
        try:
            print(row(recipe, options, plain), flush=True)
        except (UserError, ValueError, FileNotFoundError) as absent:
            print(f"| {recipe} | left out: {str(absent).splitlines()[0]} | | |", flush=True)


def recipes() -> list[Recipe]:
    """What trains a published method, by name; a run that comes before it is none."""
    found = set()
    for method in methods():
        if (file := Path(method.config)).parent == Path("configs"):
            words = shlex.split(method.command.rpartition(" && ")[2])
            found.add(Recipe(file.stem, tuple(word for word in words if word.startswith("--config."))))
    return sorted(found)


def row(recipe: Recipe, options: argparse.Namespace, plain: dict[str, Step]) -> str:
    """A line of the table; `plain` remembers the contrast on towers that were there before."""
    full = options.count or options.plan
    argument = f"model={options.model}" if full else "runlocal"
    settings = [f"batch_size={options.batch}", *(CLIP_TOKENIZER if full else ())]
    flags = [f"--config.{one}" for one in (*settings, *options.more.split(",")) if one]
    words = [f"--config=configs/{recipe.name}.py:{argument}", *recipe.flags, *flags]
    line = parse(words, {"config": ("", "")})
    config = resolve(line.config)
    contrast = contrasted(config)
    key = json.dumps([to_dict(contrast)["model"], options.batch], default=str, sort_keys=True)
    build = functools.partial(planned, topology=options.plan) if options.plan else lowered if full else built
    plain[key] = plain.get(key) or build(contrast)
    own, other = build(config), plain[key]
    active = [entry for entry, settings in config.objectives.items() if settings.weight]
    time = "not taken"
    if not full:
        times = alternated({"own": own.make, "contrast": other.make}, options.rounds)
        ratios = times["own"].ratios(times["contrast"])
        time = f"{times['own'].to(times['contrast']):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return f"| {recipe} | {', '.join(active)} | {own.flops / other.flops:.2f} | {time} |"


def contrasted(config: ConfigDict) -> ConfigDict:
    """The plain contrast on the towers of a config."""
    other = config.copy_and_resolve_references()
    other.unlock()
    for entry in other.objectives.values():
        entry.weight = 0.0
    other.objectives.contrastive.update(base.get_config().objectives.contrastive, weight=1.0)
    other.optimizer.learning_rate_rules, other.selection = "", ConfigDict()
    return resolve(other)


def inputs(config: ConfigDict) -> Inputs:
    """Reads what a step is made of beside its config."""
    tokenizer, preprocessing = load_tokenizer(config.tokenizer), preprocessing_spec(config)
    things = given(config, preprocessing, tokenizer, open_frozen(config), "cpu")
    places = {name: place for place, name in enumerate(sorted(config.data.sources))}
    shapes = Catalogue(config.data, preprocessing, tokenizer, places).shapes()
    return Inputs(tokenizer.vocabulary_size, things, shapes)


def planned(config: ConfigDict, topology: str) -> Step:
    """Compiles a step for a topology.

    Raises:
      ValueError: it is too large for these devices.
    """
    traced = trace_step(config, open_topology(topology), **inputs(config)._asdict())
    step = compile_step(config, traced)
    if step.program is None:
        raise ValueError(f"{step.refusal.splitlines()[0]} Use a smaller --batch, or a larger --plan")
    return Step(step.program.flops, lambda: None)


def lowered(config: ConfigDict) -> Step:
    """Writes a step down for a compiler, and counts what is written."""
    with jax.set_mesh(one_device()):
        training, batch = parts(config)
        program = training.train_step.lower(training.abstract_state, batch | training.beside)
    return Step(read_program(program.compiler_ir("hlo").as_hlo_module().to_string()).flops, lambda: None)


def built(config: ConfigDict) -> Step:
    """Compiles a step for the devices that are here, and makes two, after which it has the memory that it needs."""
    with jax.set_mesh(one_device()):
        training, batch = parts(config)
        state, rows = training.initial_state(), jax.tree.map(noise, batch | training.beside)
        step = training.train_step.lower(state, rows).compile()

    def make() -> None:
        nonlocal state
        state, metrics = step(state, rows)
        jax.block_until_ready((state, metrics))

    make()
    make()
    return Step(read_program(step.as_text() or "").flops, make)


def one_device() -> Mesh:
    """The first device, alone."""
    return make_mesh({"data": 1, "fsdp": 1, "model": 1}, jax.devices()[:1])


def parts(config: ConfigDict) -> tuple[Training, dict[str, Any]]:
    """What trains a config on one device, and its batch without numbers."""
    known, mesh = inputs(config), one_device()
    training = build_training(config, vocabulary_size=known.vocabulary_size, mesh=mesh, given=known.given)
    return training, abstract_batch(config, training.fields, mesh, known.shapes)


if __name__ == "__main__":
    main()
