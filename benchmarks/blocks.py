"""A tower's blocks on one TPU that is not here, by the compiler's counts: attention, remat and scan against each other.

Forward and backward pass of all blocks in bfloat16, 128 examples, as a chip of v5e:16x16 has them at a batch of
32,768. 'W' is once all tokens in bfloat16: what a block that did nothing would read. Needs
requirements-tpu-plan.txt; a row takes about a minute of two cores, unrolled ones several.

    python -m benchmarks.blocks [--models=b16,b16_text] [--rows=xla:full:scan,fused:light:scan] [--movers=12]
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PyTree

from benchmarks.harness import Times
from vlp.models.compute import Compute
from vlp.models.sizes import TowerSize
from vlp.models.transformer import Transformer
from vlp.planning.program import read_program
from vlp.planning.topology import open_topology

EXAMPLES = 128
ROWS = "xla:full:scan,xla:light:scan,fused:full:scan,fused:mlp:scan,fused:light:scan"
HEADER = "| blocks | attention | remat | depth | FLOPs to the model's | products, ms | memory, ms | W a block | GiB |"


class Blocks(NamedTuple):
    """A tower's: tokens of an example, and its size."""

    tokens: int
    size: TowerSize
    causal: bool = False

    def flops(self) -> float:
        """Counts what is needed: a forward pass, and twice as much for the gradients."""
        size = self.size
        products = 4 * size.width**2 + 2 * size.width * size.mlp_dim + 2 * self.tokens * size.width
        return 3 * 2.0 * EXAMPLES * self.tokens * size.depth * products


MODELS = {
    "b16": Blocks(196, TowerSize(width=768, depth=12, heads=12, mlp_dim=3072)),
    "b16_text": Blocks(77, TowerSize(width=512, depth=12, heads=8, mlp_dim=2048), causal=True),
    "l14": Blocks(256, TowerSize(width=1024, depth=24, heads=16, mlp_dim=4096)),
    "h14": Blocks(256, TowerSize(width=1280, depth=32, heads=16, mlp_dim=5120)),
}


def compile_blocks(blocks: Blocks, compute: Compute, device: jax.Device) -> jax.stages.Compiled:
    """Compiles the gradients of blocks for a device."""
    place = jax.sharding.SingleDeviceSharding(device)

    def there(x: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place)

    def build() -> Transformer:
        return Transformer(blocks.size, causal=blocks.causal, compute=compute, rngs=nnx.Rngs(0))

    graphdef, state = nnx.split(nnx.eval_shape(build))

    def loss(state: PyTree, x: Float[Array, "batch tokens width"]) -> Float[Array, ""]:
        return nnx.merge(graphdef, state)(x)[0].astype(jnp.float32).mean()

    x = jax.ShapeDtypeStruct((EXAMPLES, blocks.tokens, blocks.size.width), compute.dtype, sharding=place)
    return jax.jit(jax.grad(loss, argnums=(0, 1))).lower(jax.tree.map(there, state), x).compile()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="b16", help=f"some of {', '.join(MODELS)}")
    parser.add_argument("--rows", default=ROWS, help="attention:remat:scan or unroll, several with commas")
    parser.add_argument("--depth", type=int, default=0, help="blocks; 0 = the tower's")
    parser.add_argument("--topology", default="v5e:2x2", help="of whose chips one is compiled for")
    parser.add_argument("--movers", type=int, default=0, help="of what moves most bytes, how many are shown")
    options = parser.parse_args()
    topology = open_topology(options.topology)
    print(HEADER, "|" + " --- |" * (HEADER.count("|") - 1), sep="\n", flush=True)
    for model in options.models.split(","):
        blocks = MODELS[model]
        if options.depth:
            blocks = blocks._replace(size=dataclasses.replace(blocks.size, depth=options.depth))
        for row in options.rows.split(","):
            attention, remat, scan = row.split(":")
            compute = Compute(jnp.dtype("bfloat16"), attention, scan == "unroll", remat)
            taken, chip = Times[None](), topology.chip
            assert chip is not None
            with taken.round():
                compiled = compile_blocks(blocks, compute, topology.devices[0])
                program = read_program(compiled.as_text() or "")
            once = 2 * EXAMPLES * blocks.tokens * blocks.size.width * blocks.size.depth
            cells = [model, attention, f"{remat}, {scan}", str(blocks.size.depth)]
            cells += [f"{program.flops / blocks.flops():.3f}", f"{1e3 * program.flops / chip.flops:.1f}"]
            cells += [f"{1e3 * program.memory_bytes / chip.bandwidth:.1f}"]
            cells += [f"{program.memory_bytes / once:.0f}"]
            cells += [f"{compiled.memory_analysis().temp_size_in_bytes / 2**30:.2f}"]
            print("| " + " | ".join(cells) + f" |  {taken.seconds:.0f} s", flush=True)
            for one in program.movers[: options.movers]:
                print(f"    {one.work:<28}{one.kind:<12}{one.count:>7,}{one.bytes / once:>8.1f} W")


if __name__ == "__main__":
    main()
