"""The costs of a compiled program, against programs whose costs are known."""

from __future__ import annotations

import importlib.util

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from vlp.parallel.mesh import make_mesh
from vlp.planning.compile import compile_and_read
from vlp.planning.program import group_of, read_program
from vlp.planning.topology import compiles_for_gpus, open_topology

DEPTH, ROWS, WIDTH = 6, 64, 32


def test_a_loop_counts_as_often_as_it_turns():
    """Six layers whose weights are gathered over four devices, one at a time."""
    mesh = jax.make_mesh((2, 4, 1), ("data", "fsdp", "model"), (AxisType.Auto,) * 3)
    weights = jax.ShapeDtypeStruct(
        (DEPTH, WIDTH, WIDTH), jnp.float32, sharding=NamedSharding(mesh, PartitionSpec(None, "fsdp"))
    )
    split = PartitionSpec(("data", "fsdp"))
    rows = jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32, sharding=NamedSharding(mesh, split))

    def layers(weights, rows):
        def layer(x, weight):
            return jax.lax.with_sharding_constraint(jnp.tanh(x @ weight), split), None

        return jax.lax.scan(layer, rows, weights)[0]

    with jax.set_mesh(mesh):
        program = read_program(jax.jit(layers).lower(weights, rows).compile().as_text())
    assert program.flops == DEPTH * 2 * (ROWS // 8) * WIDTH * WIDTH
    (gather,) = program.collectives
    assert (gather.kind, gather.group, gather.count) == ("all-gather", 4, DEPTH)
    assert gather.members == (0, 1, 2, 3)
    assert gather.bytes == DEPTH * 4 * WIDTH * WIDTH * 3 / 4
    # At least every weight and activation once, at most a few times.
    least = DEPTH * 4 * (WIDTH * WIDTH + 2 * (ROWS // 8) * WIDTH)
    assert least <= program.memory_bytes < 6 * least


# As libtpu writes it: products as convolutions, memory spaces, asynchronous collectives, slices inside fused kernels.
TPU = """\
HloModule step, is_scheduled=true

%fused_slice (p0: bf16[24,128,256], p1: s32[]) -> bf16[128,256] {
  %p0 = bf16[24,128,256]{2,1,0:T(8,128)(2,1)} parameter(0)
  %p1 = s32[]{:T(128)} parameter(1)
  %zero = s32[]{:T(128)} constant(0)
  %slice = bf16[1,128,256]{2,1,0:T(8,128)(2,1)} dynamic-slice(%p0, %p1, %zero, %zero), dynamic_slice_sizes={1,128,256}
  ROOT %flat = bf16[128,256]{1,0:T(8,128)(2,1)} bitcast(%slice)
}

%body (arg: (s32[], bf16[24,128,256])) -> (s32[], bf16[24,128,256]) {
  %arg = (s32[]{:T(128)}, bf16[24,128,256]{2,1,0:T(8,128)(2,1)}) parameter(0)
  %i = s32[]{:T(128)} get-tuple-element(%arg), index=0
  %stack = bf16[24,128,256]{2,1,0:T(8,128)(2,1)} get-tuple-element(%arg), index=1
  %weight = bf16[128,256]{1,0:T(8,128)(2,1)} fusion(%stack, %i), kind=kLoop, calls=%fused_slice
  %start = (bf16[128,256]{1,0}, bf16[512,256]{1,0}) all-gather-start(%weight), replica_groups=[4,4]<=[4,4]T(1,0)
  %whole = bf16[512,256]{1,0:T(8,128)(2,1)S(1)} all-gather-done(%start)
  %x = bf16[1000,512]{1,0:T(8,128)(2,1)S(1)} constant({...})
  %y = bf16[1000,256]{1,0:T(8,128)(2,1)S(1)} convolution(%x, %whole), dim_labels=bf_io->bf
  ROOT %next = (s32[]{:T(128)}, bf16[24,128,256]{2,1,0:T(8,128)(2,1)}) tuple(%i, %stack)
}

%condition (arg.1: (s32[], bf16[24,128,256])) -> pred[] {
  %arg.1 = (s32[]{:T(128)}, bf16[24,128,256]{2,1,0:T(8,128)(2,1)}) parameter(0)
  %i.1 = s32[]{:T(128)} get-tuple-element(%arg.1), index=0
  %limit = s32[]{:T(128)} constant(24)
  ROOT %less = pred[]{:T(512)} compare(%i.1, %limit), direction=LT
}

ENTRY %main (start: (s32[], bf16[24,128,256])) -> (s32[], bf16[24,128,256]) {
  %start.1 = (s32[]{:T(128)}, bf16[24,128,256]{2,1,0:T(8,128)(2,1)}) parameter(0)
  ROOT %loop = (s32[]{:T(128)}, bf16[24,128,256]{2,1,0:T(8,128)(2,1)}) while(%start.1), condition=%condition, body=%body
}
"""


def test_what_is_peculiar_to_tpus_is_read():
    program = read_program(TPU)
    assert program.flops == 24 * 2 * 1000 * 512 * 256
    (gather,) = program.collectives
    assert (gather.kind, gather.count, gather.members) == ("all-gather", 24, (0, 4, 8, 12))
    assert gather.bytes == 24 * 3 * 2 * 128 * 256
    # The kernel reads its slice and writes it; what lies on the chip (S(1)) is free.
    assert program.memory_bytes == pytest.approx(24 * 2 * 2 * 128 * 256, rel=0.01)


def test_what_goes_between_slices_is_counted_apart():
    """A sum over three slices: parts of it in each, between them by the hosts, and gathered again."""
    wire = '_xla_megascale_target="{1,2,3}x{0:15}",_xla_megascale_transfer_type="ALL_REDUCE"'
    text = f"""\
ENTRY %main (g: f32[64,8]) -> f32[64,8] {{
  %g = f32[64,8]{{1,0}} parameter(0)
  %part = f32[16,8]{{1,0}} reduce-scatter(%g), channel_id=4, replica_groups={{{{0,4,8,12}}}}, dimensions={{0}}
  %t = token[] after-all()
  %send = (f32[16,8]{{1,0}}, u32[], token[]) send(%part, %t), channel_id=2, frontend_attributes={{{wire}}}
  %recv = (f32[16,8]{{1,0}}, u32[], token[]) recv(%t), channel_id=1, frontend_attributes={{{wire}}}
  %sum = f32[16,8]{{1,0}} get-tuple-element(%recv), index=0
  ROOT %all = f32[64,8]{{1,0}} all-gather(%sum), channel_id=4, replica_groups={{{{0,4,8,12}}}}, dimensions={{0}}
}}
"""
    found = {(one.kind, one.slices): one for one in read_program(text).collectives}
    assert found["all-reduce", 3].bytes == 4 * 16 * 8 * 2 * 2 / 3 and found["all-reduce", 3].group == 3
    # A channel's number is used twice, by kinds that follow each other.
    assert found["reduce-scatter", 1].bytes == 4 * 64 * 8 * 3 / 4
    assert found["all-gather", 1].bytes == 4 * 16 * 8 * 3


def test_collectives_that_the_compiler_has_combined_share_a_channel_and_count_each():
    text = """\
ENTRY %main (a: f32[64,8], b: f32[32,8]) -> (f32[64,8], f32[32,8]) {
  %a = f32[64,8]{1,0} parameter(0)
  %b = f32[32,8]{1,0} parameter(1)
  %x = f32[64,8]{1,0} all-reduce(%a), channel_id=1, replica_groups={{0,1}}
  %y = f32[32,8]{1,0} all-reduce(%b), channel_id=1, replica_groups={{0,1}}
  ROOT %z = (f32[64,8]{1,0}, f32[32,8]{1,0}) tuple(%x, %y)
}
"""
    (found,) = read_program(text).collectives
    assert (found.count, found.bytes) == (2, 4 * 8 * (64 + 32))


# As libtpu writes a collective that is on its way while a loop turns, each kernel of which carries it along.
MEANWHILE = """\
%started (p0: f32[16,8]) -> (f32[16,8], f32[64,8]) {
  %p0 = f32[16,8]{1,0} parameter(0)
  %g.0 = f32[64,8]{1,0} all-gather(%p0), channel_id=7, replica_groups={{0,1,2,3}}, dimensions={0}
  ROOT %s = (f32[16,8]{1,0}, f32[64,8]{1,0}) custom-call(%g.0), custom_call_target="AsyncCollectiveStart"
}

%async_collective_fusion.3 (p0.1: f32[16,8], p1: f32[64,8], p2: f32[5]) -> (f32[5], f32[16,8], f32[64,8]) {
  %p0.1 = f32[16,8]{1,0} parameter(0)
  %p1 = f32[64,8]{1,0} parameter(1)
  %p2 = f32[5]{0} parameter(2)
  %g.1 = f32[64,8]{1,0} all-gather(%p0.1), channel_id=7, replica_groups={{0,1,2,3}}, dimensions={0}
  %y = f32[5]{0} negate(%p2)
  ROOT %t = (f32[5]{0}, f32[16,8]{1,0}, f32[64,8]{1,0}) tuple(%y, %p0.1, %g.1)
}

%body (arg: (s32[], f32[5], f32[16,8], f32[64,8])) -> (s32[], f32[5], f32[16,8], f32[64,8]) {
  %arg = (s32[], f32[5]{0}, f32[16,8]{1,0}, f32[64,8]{1,0}) parameter(0)
  %i = s32[] get-tuple-element(%arg), index=0
  %x = f32[5]{0} get-tuple-element(%arg), index=1
  %in = f32[16,8]{1,0} get-tuple-element(%arg), index=2
  %out = f32[64,8]{1,0} get-tuple-element(%arg), index=3
  %f = (f32[5]{0}, f32[16,8]{1,0}, f32[64,8]{1,0}) fusion(%in, %out, %x), kind=kOutput, \
output_to_operand_aliasing={{1}: (0, {}), {2}: (1, {})}, calls=%async_collective_fusion.3
  %f.0 = f32[5]{0} get-tuple-element(%f), index=0
  %f.1 = f32[16,8]{1,0} get-tuple-element(%f), index=1
  %f.2 = f32[64,8]{1,0} get-tuple-element(%f), index=2
  ROOT %n = (s32[], f32[5]{0}, f32[16,8]{1,0}, f32[64,8]{1,0}) tuple(%i, %f.0, %f.1, %f.2)
}

%condition (arg.1: (s32[], f32[5], f32[16,8], f32[64,8])) -> pred[] {
  %arg.1 = (s32[], f32[5]{0}, f32[16,8]{1,0}, f32[64,8]{1,0}) parameter(0)
  %i.1 = s32[] get-tuple-element(%arg.1), index=0
  %limit = s32[] constant(24)
  ROOT %less = pred[] compare(%i.1, %limit), direction=LT
}

ENTRY %main (a: f32[16,8], b: f32[5], zero: s32[]) -> f32[5] {
  %a = f32[16,8]{1,0} parameter(0)
  %b = f32[5]{0} parameter(1)
  %zero = s32[] parameter(2)
  %s.1 = (f32[16,8]{1,0}, f32[64,8]{1,0}) fusion(%a), kind=kCustom, \
output_to_operand_aliasing={{0}: (0, {})}, calls=%started
  %s.2 = f32[16,8]{1,0} get-tuple-element(%s.1), index=0
  %s.3 = f32[64,8]{1,0} get-tuple-element(%s.1), index=1
  %c = (s32[], f32[5]{0}, f32[16,8]{1,0}, f32[64,8]{1,0}) tuple(%zero, %b, %s.2, %s.3)
  %w = (s32[], f32[5]{0}, f32[16,8]{1,0}, f32[64,8]{1,0}) while(%c), condition=%condition, body=%body
  ROOT %r = f32[5]{0} get-tuple-element(%w), index=1
}
"""


def test_a_collective_that_a_loop_carries_along_happens_once_and_moves_nothing_in_each_turn():
    program = read_program(MEANWHILE)
    (gather,) = program.collectives
    assert (gather.count, gather.bytes) == (1, 3 * 4 * 16 * 8)
    moved = {one.kind: (one.count, one.bytes) for one in program.movers}
    assert moved["collectives"] == (24, 24 * 2 * 4 * 5)  # what is negated
    assert moved["kernels"] == (1, 4 * 8 * (16 + 16 + 64))  # what is sent, and where it goes to


def test_a_batched_product_full_of_holes_counts_what_is_there():
    """Sixteen products of [128, 64] and [64, 128] as one convolution whose batch is a spatial axis."""
    text = """\
ENTRY %main (l: bf16[128,16,64], r: bf16[16,64,128]) -> bf16[128,16,128] {
  %l = bf16[128,16,64]{2,1,0} parameter(0)
  %r = bf16[16,64,128]{2,1,0} parameter(1)
  ROOT %c = bf16[128,16,128] convolution(%l, %r), window={size=16 stride=15 lhs_dilate=16}, dim_labels=b0f_0io->b0f
}
"""
    assert read_program(text).flops == 16 * 2 * 128 * 64 * 128


@pytest.mark.parametrize(
    ("window", "outputs", "pairs"),
    [
        ("size=3", 3, 9),
        ("size=3 pad=1_1 stride=2", 3, 2 + 3 + 2),
        ("size=3 rhs_dilate=2", 1, 3),
        ("size=3 pad=2_2 lhs_dilate=2", 11, 5 * 3),
    ],
)
def test_a_convolution_counts_where_its_kernel_meets_the_input(window, outputs, pairs):
    text = f"""\
ENTRY %main (l: f32[2,5,4], r: f32[3,4,6]) -> f32[2,{outputs},6] {{
  %l = f32[2,5,4]{{2,1,0}} parameter(0)
  %r = f32[3,4,6]{{2,1,0}} parameter(1)
  ROOT %c = f32[2,{outputs},6] convolution(%l, %r), window={{{window}}}, dim_labels=b0f_0io->b0f
}}
"""
    assert read_program(text).flops == 2 * 4 * 2 * 6 * pairs


@pytest.mark.parametrize(
    ("instruction", "moved"),
    [
        ("f32[1,10]{1,0} dynamic-slice(%a, %i, %i), dynamic_slice_sizes={1,10}", 2 * 40),
        ("f32[1,10]{1,0:S(1)} dynamic-slice(%a, %i, %i), dynamic_slice_sizes={1,10}", 40),  # onto the chip
        # A part of a copy onto the chip, as libtpu and as jaxlib write it.
        ("f32[2,10]{1,0:S(1)} slice(%a), slice={[4:6], [0:10]}", 80),
        ("((f32[100,10]{1,0}), f32[2,10]{1,0:S(1)}, s32[]) slice-start(%a), slice={[4:6], [0:10]}", 80),
        ("f32[100,10]{1,0} dynamic-update-slice(%a, %b, %i, %i)", 2 * 40),
        ("f32[100,10]{1,0} add(%a, %a)", 3 * 4000),
        ("f32[100,10]{1,0:S(1)} add(%a, %a)", 2 * 4000),  # stays on the chip
        ("f32[10,100]{0,1} bitcast(%a)", 0),
        ("(f32[100,10]{1,0:S(1)}, f32[100,10]{1,0}, u32[]{:S(2)}) copy-start(%a)", 4000),  # onto the chip
        (
            "(f32[100,10]{1,0:S(1)}, f32[100,10]{1,0}, u32[]) copy-start(%a)",
            4000,
        ),  # by a counter, wherever that is
        ('f32[100,10]{1,0} custom-call(), custom_call_target="AllocateBuffer"', 0),
        # Written in place, what is new and the place read.
        ("f32[100,10]{1,0} fusion(%a, %b, %i), kind=kLoop, calls=%in_place", 40 + 4 + 2 * 40),
        # Of the first a row is read, the second is not used.
        ("f32[1,10]{1,0} fusion(%a, %b, %i), kind=kLoop, calls=%sliced", 40 + 4 + 40),
    ],
)
def test_main_memory_is_what_is_read_and_written_of_it(instruction, moved):
    parameters = """\
  %p0 = f32[100,10]{1,0} parameter(0)
  %p1 = f32[1,10]{1,0} parameter(1)
  %p2 = s32[] parameter(2)
"""
    text = f"""\
%in_place (p0: f32[100,10], p1: f32[1,10], p2: s32[]) -> f32[100,10] {{
{parameters}  %n = f32[1,10]{{1,0}} negate(%p1)
  ROOT %u = f32[100,10]{{1,0}} dynamic-update-slice(%p0, %n, %p2, %p2)
}}

%sliced (p0: f32[100,10], p1: f32[1,10], p2: s32[]) -> f32[1,10] {{
{parameters}  ROOT %s = f32[1,10]{{1,0}} dynamic-slice(%p0, %p2, %p2), dynamic_slice_sizes={{1,10}}
}}

ENTRY %main (a: f32[100,10], b: f32[1,10], i: s32[]) -> f32[100,10] {{
  %a = f32[100,10]{{1,0}} parameter(0)
  %b = f32[1,10]{{1,0}} parameter(1)
  %i = s32[] parameter(2)
  ROOT %x = {instruction}
}}
"""
    assert read_program(text).memory_bytes == moved


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("all-gather", 3 * 4000),
        ("all-reduce", 2 * 4000 * 3 / 4),
        ("reduce-scatter", 4000 * 3 / 4),
        ("all-to-all", 4000 * 3 / 4),
        ("collective-permute", 4000),
    ],
)
def test_rings_send_as_much_as_they_must(kind, sent):
    text = f"""\
ENTRY %main (a: f32[100,10]) -> f32[100,10] {{
  %a = f32[100,10]{{1,0}} parameter(0)
  %x = f32[100,10]{{1,0}} {kind}(%a), replica_groups={{{{0,1,2,3}}}}
  ROOT %y = f32[100,10]{{1,0}} {kind}(%x), replica_groups={{{{0,1,2,3}}}}
}}
"""
    (found,) = read_program(text).collectives
    assert (found.kind, found.group, found.count, found.bytes) == (kind, 4, 2, 2 * sent)


@pytest.mark.parametrize(
    ("attributes", "members"),
    [
        ("replica_groups={{0,2},{1,3}}, dimensions={0}", (0, 2)),
        ("replica_groups=[2,4]<=[8]", (0, 1, 2, 3)),
        ("replica_groups=[4,2]<=[2,4]T(1,0), use_global_device_ids=true", (0, 4)),
        ("replica_groups=mesh['axis_0'=2,'axis_1'=4] {'axis_0'}, dimensions={1}", (0, 4)),
        (
            "replica_groups=mesh['a'=4,'b'=1,'c'=2], device_ids=([2,4]T(1,0)) {'a'}, dimensions={0}",
            (0, 1, 2, 3),
        ),
        ("source_target_pairs={{0,1},{1,0}}", (0, 1)),
    ],
)
def test_groups_of_devices(attributes, members):
    assert group_of(attributes) == members


# As XLA writes calls of NVIDIA's libraries, which are given bytes to work in.
GPU = """\
ENTRY %main (x: bf16[96,64], w: bf16[64,32], q: bf16[2,48,3,16]) -> bf16[96,32] {
  %x = bf16[96,64]{1,0} parameter(0)
  %w = bf16[64,32]{1,0} parameter(1)
  %q = bf16[2,48,3,16]{3,2,1,0} parameter(2)
  %f = (bf16[2,3,48,16]{3,1,2,0}, f32[2,3,48]{2,1,0}, u8[4096]{0}) custom-call(%q, %q, %q), \
custom_call_target="__cudnn$fmhaSoftmax", backend_config={"cudnn_fmha_backend_config": {"intermediate_tensor_shape": \
{"element_type": "BF16", "dimensions": ["2", "3", "48", "48"]}}}
  %b = (bf16[2,3,48,16]{3,1,2,0}, bf16[2,3,48,16]{3,1,2,0}, bf16[2,3,48,16]{3,1,2,0}, u8[0]{0}) \
custom-call(%q, %q, %q), custom_call_target="__cudnn$fmhaSoftmaxBackward", backend_config=\
{"cudnn_fmha_backend_config": {"intermediate_tensor_shape": {"dimensions": ["2", "3", "48", "48"]}}}
  ROOT %p = (bf16[96,32]{1,0}, s8[1000]{0}) custom-call(%x, %w), custom_call_target="__cublas$lt$matmul", \
backend_config={"gemm_backend_config":{"dot_dimension_numbers":{"lhs_contracting_dimensions":["1"]},"epilogue":"BIAS"}}
}
"""


def test_libraries_for_gpus_count_as_the_products_they_make():
    program = read_program(GPU)
    attention = 2 * (2 * 3 * 48 * 48) * 16
    assert program.flops == 2 * 96 * 64 * 32 + (2 + 5) * attention
    moved = {one.kind: one.bytes for one in program.movers}
    each = 2 * 2 * 48 * 3 * 16  # bytes of queries, keys, values, the result, or a gradient
    assert moved == {
        "products": 2 * (96 * 64 + 64 * 32 + 96 * 32),
        "kernels": (4 + 6) * each + 4 * 2 * 3 * 48,
    }


@pytest.mark.parametrize("name", ["a100:2x1", "h200:2x1"])
def test_a_program_for_gpus_that_are_not_here_is_read(name):
    if not compiles_for_gpus():
        pytest.skip("XLA's compiler for GPUs is not installed: pip install -r requirements-gpu-plan.txt")
    mesh = make_mesh({"data": 1, "fsdp": 2, "model": 1}, open_topology(name).devices)
    rows, weights = (
        jax.ShapeDtypeStruct((size, 1024), jnp.bfloat16, sharding=NamedSharding(mesh, PartitionSpec("fsdp")))
        for size in (4096, 1024)
    )
    lowered = jax.jit(lambda rows, weights: jnp.tanh(rows @ weights)).lower(rows, weights)
    _, program, refusal = compile_and_read(lowered, "gpu")
    assert not refusal and program.flops == 2 * 2048 * 1024 * 1024
    (gather,) = program.collectives
    assert (gather.kind, gather.group, gather.count, gather.bytes) == ("all-gather", 2, 1, 512 * 1024 * 2)
    assert 2 * 1024 * (2048 + 1024 + 2048) <= program.memory_bytes <= 2 * 1024 * (5 * 2048 + 2 * 1024)


@pytest.mark.parametrize("name", ["v5e:2x4", "tpu7x:2x2x1"])
def test_what_a_tpu_s_compiler_has_made_is_read_in_its_own_words(name, monkeypatch):
    """Of tpu7x, which gathers on sparse cores, jaxlib cannot read the program back."""
    if importlib.util.find_spec("libtpu") is None:
        pytest.skip("libtpu is not installed: pip install -r requirements-tpu-plan.txt")
    monkeypatch.setenv("XLA_FLAGS", "")  # planning for TPUs drops it, which later tests want
    mesh = make_mesh({"data": 1, "fsdp": 8, "model": 1}, open_topology(name).devices)
    rows, weights = (
        jax.ShapeDtypeStruct((size, 1024), jnp.bfloat16, sharding=NamedSharding(mesh, PartitionSpec("fsdp")))
        for size in (4096, 1024)
    )
    lowered = jax.jit(lambda rows, weights: jnp.sum((rows @ weights) ** 2)).lower(rows, weights)
    compiled, program, refusal = compile_and_read(lowered, "tpu")
    assert not refusal and program.flops == 2 * 4096 * 1024 * 1024 / 8
    gather, total = program.collectives
    assert (gather.kind, gather.group, gather.count, gather.bytes) == ("all-gather", 8, 1, 7 * 128 * 1024 * 2)
    assert (total.kind, total.group, total.count) == ("all-reduce", 8, 1)
    if name == "v5e:2x4":
        assert program == read_program(compiled.as_text())
