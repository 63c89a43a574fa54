"""Which work moves the bytes of a compiled program, and by what."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.models.sizes import TowerSize
from vlp.models.transformer import Transformer
from vlp.planning.program import read_program
from vlp.planning.traffic import Mover

PATH = "jit(step)/transpose(jvp(objectives))/image/while/body/closed_call"
TEXT = f"""\
%inner (p0: f32[12,100,10], p1: s32[]) -> f32[100,10] {{
  %p0 = f32[12,100,10]{{2,1,0}} parameter(0)
  %p1 = s32[] parameter(1)
  %flat = f32[12,1000]{{1,0}} bitcast(%p0)
  ROOT %s = f32[1,1000]{{1,0}} dynamic-slice(%flat, %p1, %p1), dynamic_slice_sizes={{1,1000}}
}}

%outer (q0: f32[12,100,10], q1: s32[], q2: f32[10,10]) -> f32[100,10] {{
  %q0 = f32[12,100,10]{{2,1,0}} parameter(0)
  %q1 = s32[] parameter(1)
  %q2 = f32[10,10]{{1,0}} parameter(2)
  %x = f32[100,10]{{1,0}} fusion(%q0, %q1), kind=kLoop, calls=%inner
  ROOT %d = f32[100,10]{{1,0}} dot(%x, %q2), lhs_contracting_dims={{1}}, rhs_contracting_dims={{0}}
}}

ENTRY %main (a: f32[12,100,10], i: s32[], w: f32[10,10]) -> f32[100,10] {{
  %a = f32[12,100,10]{{2,1,0}} parameter(0)
  %i = s32[] parameter(1)
  %w = f32[10,10]{{1,0}} parameter(2)
  %y = f32[100,10]{{1,0}} fusion(%a, %i, %w), calls=%outer, metadata={{op_name="{PATH}/mlp/dot_general"}}
  %z = f32[10,100]{{1,0}} transpose(%y), metadata={{op_name="{PATH}/checkpoint/rematted_computation/norm/add"}}
  %k = f32[10,100]{{1,0}} custom-call(%z), backend_config={{"cost_estimate":{{"flops":"70"}}}}
  ROOT %o = f32[10,100]{{1,0}} add(%k, %k), metadata={{op_name="jit(step)/optimizer/add"}}
}}
"""


def test_slices_within_fused_kernels_are_what_is_read_and_all_of_it_has_a_name():
    program = read_program(TEXT)
    assert program.movers == (
        Mover("optimizer", "other", 1, 3 * 4000.0),
        Mover("image mlp, backward", "products", 1, 2 * 4000.0 + 4 + 400),  # not all twelve slices
        Mover("image norm, again", "copies", 1, 2 * 4000.0),
        Mover("unnamed", "kernels", 1, 2 * 4000.0),
    )
    assert program.memory_bytes == sum(one.bytes for one in program.movers)
    assert program.flops == 2 * 100 * 10 * 10 + 70


@pytest.mark.parametrize(
    ("instruction", "kind"),
    [
        ("f32[1,4]{1,0} dot(%a, %b), lhs_contracting_dims={1}, rhs_contracting_dims={0}", "products"),
        ("f32[1,4]{1,0} convolution(%a, %b), dim_labels=bf_io->bf", "products"),
        ("f32[4,1]{1,0} transpose(%a)", "copies"),
        ("f32[1,4]{1,0} all-reduce(%a), replica_groups={{0,1}}, to_apply=%sum", "collectives"),
        ("f32[1,4]{1,0} add(%a, %a)", "other"),
    ],
)
def test_what_moves_bytes_is_told_by_its_operation(instruction, kind):
    (mover,) = read_program(f"""\
ENTRY %main (a: f32[1,4], b: f32[4,4]) -> f32[1,4] {{
  %a = f32[1,4]{{1,0}} parameter(0)
  %b = f32[4,4]{{1,0}} parameter(1)
  ROOT %x = {instruction}
}}
""").movers
    assert mover.kind == kind


def test_a_block_says_which_part_each_kernel_is_of():
    size = TowerSize(width=16, depth=2, heads=2, mlp_dim=32)
    tower = Transformer(size, causal=False, compute=Compute(remat="full"), rngs=nnx.Rngs(0))
    graphdef, params = nnx.split(tower)

    def loss(params):
        return nnx.merge(graphdef, params)(jnp.ones((2, 4, 16)))[0].sum()

    program = read_program(jax.jit(jax.grad(loss)).lower(params).compile().as_text())
    works = {one.work for one in program.movers}
    assert {f"{part}, {passed}" for part in ("attention", "mlp") for passed in ("again", "backward")} <= works
