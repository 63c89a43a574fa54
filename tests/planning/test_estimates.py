"""Roofline arithmetic, and which variants are tried in which order."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from configs import base
from vlp.configuration import resolve
from vlp.planning import report
from vlp.planning.chips import CHIPS, GPUS
from vlp.planning.compile import TOO_LARGE, CompiledStep, refused_memory
from vlp.planning.estimate import Estimate, estimate
from vlp.planning.program import Collective, Program
from vlp.planning.report import misfit, plan_report, trial_line, what_would_fit
from vlp.planning.suggest import CHUNK, Trial, fsdp_sizes, ranked, recipes, rungs, trials
from vlp.planning.topology import Topology

V5E = Topology("v5e:4x4", tuple(range(16)), hosts=4, chip=CHIPS["v5e"])


def compiled(program: Program | None, links: int = 1, needed: int = 2**30) -> CompiledStep:
    members = {one.members: links for one in program.collectives} if program else {}
    return CompiledStep(
        mesh={"data": 4, "fsdp": 4, "model": 1},
        fields=("image", "text", "text_mask"),
        step_shares={},
        other_flops=0.0,
        parameters=1,
        held={},
        arguments=0,
        temporaries=0,
        needed=needed,
        limit=None,
        program=program,
        links=members,
        seconds=1.0,
        refusal="",
    )


def test_the_slowest_kind_of_work_binds():
    config = resolve(base.get_config())
    gather = Collective("all-gather", 4, (0, 1, 2, 3), count=1, bytes=25e9)
    program = Program(flops=19.7e12, memory_bytes=8.19e9, collectives=(gather,))
    one = estimate(config, compiled(program), V5E)
    # A tenth of a second of products, a hundredth of memory, and a quarter over the links of one dimension of two.
    assert one.seconds == pytest.approx({"matrix products": 0.1, "main memory": 0.01, "collectives": 0.25})
    assert one.binding == "collectives" and one.step_seconds == pytest.approx((0.25, 0.36))
    assert estimate(config, compiled(program, links=2), V5E).binding == "collectives"
    figures = one.figures(0.25)
    assert figures["pairs_per_second"] == pytest.approx(256 / 0.25)
    assert figures["records_per_second_and_host"] == pytest.approx(256)
    assert figures["chip_hours"] == pytest.approx(10_000 * 0.25 / 3600 * 16)
    assert figures["mfu"] == pytest.approx(one.step_flops / 0.25 / (16 * 197e12))
    assert one.extra == pytest.approx(16 * 19.7e12 / one.step_flops)


def test_slices_share_a_slower_network():
    config = resolve(base.get_config())
    within = Collective("all-gather", 4, (0, 1, 2, 3), count=1, bytes=25e9)
    between = Collective("all-reduce", 2, (), count=1, bytes=6.25e9, slices=2)
    step = compiled(Program(flops=19.7e12, memory_bytes=8.19e9, collectives=(within, between)))
    two = dataclasses.replace(V5E, slices=2)
    seconds = estimate(config, step, two).seconds
    assert seconds["collectives"] == pytest.approx(0.25) and seconds["between slices"] == pytest.approx(2)
    unknown = dataclasses.replace(two, chip=CHIPS["v4"])
    assert "between slices" not in estimate(config, step, unknown).seconds


@pytest.mark.parametrize(
    ("members", "speed"),
    [
        ((0, 1, 2, 3), 450e9),  # within a node, by its switch
        ((0, 8), 50e9),  # one of each node, by its own adapter
        (tuple(range(16)), 8 * 50e9),  # rings that leave by all eight adapters
        ((0, 1, 2, 8, 9, 10), 3 * 50e9),
    ],
)
def test_gpus_send_by_switches_within_a_node_and_by_the_network_between(members, speed):
    config = resolve(base.get_config())
    there = Topology("h100:8x2", tuple(range(16)), hosts=2, chip=GPUS["h100"], node=8, stood_for=True)
    program = Program(9.89e12, 1e12, (Collective("all-reduce", len(members), members, 1, 10e9),))
    seconds = estimate(config, compiled(program), there).seconds
    assert seconds == pytest.approx({"matrix products": 0.01, "collectives": 10e9 / speed})


def test_without_a_program_the_remat_policy_says_what_is_computed_again():
    config = resolve(base.get_config())
    for remat, extra in {"none": 1, "light": 1, "dots": 1, "mlp": 10 / 9, "full": 11 / 9}.items():
        config.model.remat = remat
        one = estimate(config, compiled(None), V5E)
        assert one.extra == pytest.approx(extra) and set(one.seconds) == {"matrix products"}


def test_every_mesh_climbs_until_something_fits_and_the_fastest_comes_first():
    assert fsdp_sizes(256) == [1, 16, 256] and fsdp_sizes(6) == [1, 6]

    def attempt(config):
        fits = (config.mesh.fsdp, config.model.remat) in {(1, "full"), (4, "light"), (16, "none")}
        program = Program(flops=1e12 * (4 if config.mesh.fsdp == 1 else 3), memory_bytes=0, collectives=())
        step = compiled(program, needed=2**30 // config.mesh.fsdp)
        return step, estimate(config, step, V5E), fits

    config = resolve(base.get_config())
    config.objectives.contrastive.weight = 1.0
    tried = list(trials(config, 16, attempt))
    assert [(one.flags["mesh.fsdp"], one.flags["model.remat"]) for one in tried] == [
        *((1, remat) for remat in ("none", "none", "light", "mlp", "full")),
        *((4, remat) for remat in ("none", "none", "light")),
        (16, "none"),
    ]
    assert [one.flags["mesh.fsdp"] for one in ranked(tried) if one.fits] == [16, 4, 1]


def test_what_changes_least_is_tried_first_and_what_is_in_use_is_not_tried_again():
    config = resolve(base.get_config())
    config.batch_size = 12
    config.objectives.contrastive.weight = 1.0
    chunk = {"objectives.contrastive.chunk": CHUNK}

    def rung(remat, micro_batch=0, **more):
        return {"model.micro_batch": micro_batch, "model.remat": remat, **more}

    half = chunk | {"optimizer.momentum_dtype": "bfloat16"}
    assert list(rungs(config)) == [
        rung("none"), rung("none", **chunk), *(rung(one, **chunk) for one in ("light", "mlp", "full")),
        rung("full", **half), rung("full", 6, **half), rung("full", 3, **half),
    ]  # fmt: skip
    config.objectives.contrastive.kernel = "triplet"  # which needs the whole matrix
    config.optimizer.momentum_dtype = "bfloat16"
    assert list(rungs(config)) == [rung(one) for one in ("none", "light", "mlp", "full")] + [
        rung("full", 6), rung("full", 3)
    ]  # fmt: skip


def test_other_recipes_hold_a_tower_or_begin_small_with_the_best_flags():
    config, seen = resolve(base.get_config()), []

    def attempt(variant):
        seen.append(variant)
        if variant.optimizer.learning_rate_rules.startswith("^model/text"):
            raise ValueError("there is no text tower")
        step = compiled(None)
        return step, estimate(config, step, V5E), True

    found = list(recipes(config, {"mesh.fsdp": 4}, attempt))
    image, text, small = seen
    assert image.optimizer.learning_rate_rules == "^model/image(_projection)?/ = 0" and image.mesh.fsdp == 4
    assert text.mesh.fsdp == 4
    assert small.model.image.resolution == config.model.image.resolution // 2 and small.mesh.fsdp == 4
    assert small.tokenizer.length == config.tokenizer.length // 2
    assert [one.changes for one in found] == ["the image tower held", "stage 1 of 2, 90% of the run"]
    assert found[1].flags["stages.until"] == (0.9,)

    config.stages.update(until=(10,), resolution=(16,))
    *_, own = recipes(config, {}, attempt)
    assert own.flags == {} and own.changes == f"stage 1 of 2, {10 / config.steps:.0%} of the run"
    assert seen[-1].model.image.resolution == 16


NEW = (
    "RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran out of memory on HBM, the total memory required for HLO "
    "temporaries (6.29T) exceeds available HBM (15.75G). HLO module: jit_train_step."
)
OLD = (
    "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space hbm. Used 485.00G of "
    "15.75G hbm. Exceeded hbm capacity by 469.25G."
)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (OLD, "does not fit: needs 485 of 15.75 GiB per chip"),
        (NEW, "does not fit: needs 6,441 of 15.75 GiB per chip"),
        (
            "RESOURCE_EXHAUSTED: Out\n of memory",
            "does not fit: the compiler says RESOURCE_EXHAUSTED: Out of",
        ),
    ],
)
def test_what_the_compiler_refuses_is_by_how_much_it_is_too_large(words: str, line: str):
    assert TOO_LARGE.search(words) and not TOO_LARGE.search("INTERNAL: a chbm bug")
    step = dataclasses.replace(compiled(None), refusal=words, **refused_memory(words))
    assert misfit(step, step.limit).startswith(line)
    config = resolve(base.get_config())
    there = dataclasses.replace(V5E, devices=(SimpleNamespace(device_kind="TPU v5 lite"),) * 16)
    assert line in plan_report(config, there, step, estimate(config, step, there), step.limit)


def test_what_would_fit_leaves_out_what_is_in_use_and_what_cannot_help():
    config, step = resolve(base.get_config()), compiled(None)
    ways = what_would_fit(config, step, 2**30)
    assert "remat=full" in ways and "a mesh.fsdp above 4" in ways
    assert f"micro_batch={config.batch_size // 2} or less" in ways
    config.model.remat, config.model.micro_batch = "full", 64
    ways = what_would_fit(config, dataclasses.replace(step, mesh={"data": 1, "fsdp": 16, "model": 1}), 2**30)
    assert "remat" not in ways and "mesh.fsdp" not in ways and "micro_batch=32 or less" in ways
    ways = what_would_fit(config, dataclasses.replace(step, held={"parameters": 2**31}), 2**30)
    assert ways.startswith("2.00 GiB are held from step to step alone") and "micro_batch" not in ways


def test_a_trial_that_cannot_be_compiled_is_passed_over():
    config = resolve(base.get_config())

    def attempt(variant):
        if variant.mesh.fsdp == 4:
            raise ValueError("fsdp=4 does not divide")
        step = compiled(None)
        return step, estimate(config, step, V5E), True

    assert {trial.flags["mesh.fsdp"] for trial in trials(config, 16, attempt)} == {1, 16}

    def never(variant):
        raise ValueError(f"fsdp={variant.mesh.fsdp}")

    with pytest.raises(ValueError, match="fsdp=1"):
        list(trials(config, 16, never))


def line(left: str, right: str) -> str:
    return f"  {left:<24}{right}"


CHEAP = Estimate(
    pair_flops=3.5e9,
    step_flops=8e12,
    extra=1.25,
    counted=True,
    seconds={"matrix products": 0.2, "main memory": 0.05, "collectives": 0.15},
    chips=16,
    peak_flops=1e14,
    batch_size=2000,
    steps=36_000,
    hosts=4,
)
SENT = (
    Collective("all-gather", 4, (0, 1, 2, 3), count=1200, bytes=25e6),
    Collective("all-reduce", 2, (), count=1, bytes=1.5e6, slices=2),
)


def reported(estimate=CHEAP, topology=None, limit=2**34, price=0.0, **changes):
    config = resolve(base.get_config())
    step = compiled(Program(1.0, 1.0, SENT), needed=2**32)
    known = {"parameters": 12_345_678, "held": {"moments": 2**30, "rest": 3 * 2**20}, "arguments": 2**30}
    step = dataclasses.replace(step, **{**known, "temporaries": 2**29, "seconds": 61.0, **changes})
    there = dataclasses.replace(V5E, devices=(SimpleNamespace(device_kind="TPU v5 lite"),) * 16)
    return plan_report(config, topology or there, step, estimate, limit, price).splitlines()


def test_a_plan_says_what_schedules_save():
    # Three passes of 0.5 GFLOP, in the first four fifths.
    lines = reported(scheduled=((0.2, 0.5e9),))
    at = lines.index(line("schedules", "all figures are those of a step with all objectives;"))
    assert lines[at + 1] == line("", "over the whole run a pair takes 2.30 GFLOP in the mean")
    assert not [one for one in reported() if "schedules" in one]


def test_a_plan_says_what_smaller_stages_save(monkeypatch):
    config = resolve(base.get_config())
    config.stages.until = (config.steps // 4,)
    config.stages.resolution = (config.model.image.resolution // 2,)
    monkeypatch.setattr(report, "forward_flops", lambda own, fields: own.model.image.resolution**2)
    there = dataclasses.replace(V5E, devices=(SimpleNamespace(device_kind="TPU v5 lite"),) * 16)
    lines = plan_report(config, there, compiled(None), CHEAP, None).splitlines()
    # A quarter of the run at a quarter of the cost.
    assert line("", "a pair takes 81% of its FLOPs over the whole run") in lines


def test_a_report_says_what_was_counted_in_readable_units():
    config, said = resolve(base.get_config()), reported(price=1.5)
    assert said[0] == (f"{config.name} on v5e:4x4: 16 x TPU v5 lite, 4 host(s); mesh data=4, fsdp=4, model=1")
    for left, right in {
        "parameters": "12.3 million",
        "to train on a pair": "3.50 GFLOP (towers, forward and backward)",
        "a step": f"8.00 TFLOP for {config.batch_size:,} pairs",
        "needed": "4.00 GiB of 16.00 GiB (25%)",
        "  within a step": "512.0 MiB  activations, gradients, buffers",
        "  the program": "2.50 GiB",
        "  from step to step": "1.00 GiB  by the arrays' sizes:",
        "    moments": "1.00 GiB",
        "    rest": "3.0 MiB",
        "matrix products": "200.0 ms    1.25 times the model's FLOPs, by the compiled program <- binds",
        "main memory": "50.0 ms",
        "MFU": "20 to 40 %",
        "pairs a second": "5,000 to 10,000",
        "the run": "72,000,000 pairs: 2.0 to 4.0 hours",
        "": "32 to 64 chip-hours",
        "each host decodes": "1,250 to 2,500 images a second",
    }.items():
        assert line(left, right) in said, left
    assert {line("a step", "200.0 to 400.0 ms"), line("", "48 to 96 at 1.5 an hour")} < {*said}
    assert "memory of a device (compiler, after 61 s)" in said
    assert "estimate (roofline at the published peaks: if all work overlaps, to if none does)" in said
    table = said[said.index("collectives of a device in a step (compiled program, loops multiplied)") + 1 :][
        :3
    ]
    assert [row.split()[:4] for row in table] == [
        ["among", "count", "MB", "sent"],
        ["all-gather", "4", "1,200", "25.0"],
        ["all-reduce", "2", "1", "1.5"],
    ]
    assert table[2].endswith("slices, over the data centre's network") and "slices" not in table[1]


def test_a_report_says_what_is_not_known():
    days = dataclasses.replace(CHEAP, steps=864_000, counted=False, seconds={"matrix products": 0.2})
    said = reported(days, limit=None, program=None)
    assert line("the run", "1,728,000,000 pairs: 2.0 days") in said and line("needed", "4.00 GiB") in said
    assert "collectives: unknown, for jaxlib cannot read the compiled program back" in said
    assert "  plan for a v5e slice of as many chips to see them" in said
    assert any(one.endswith("by the remat policy <- binds") for one in said)
    assert any("none does; what is not listed is unknown and left out)" in one for one in said)
    assert not any("an hour" in one for one in said)
    assert "collectives: none" in reported(program=Program(1.0, 1.0, ()))
    assert "collectives: unknown, for it did not compile" in reported(program=None, refusal="no")
    gpus = reported(
        topology=Topology("h100:8x2", tuple(range(16)), hosts=2, chip=GPUS["h100"], node=8, stood_for=True)
    )
    assert "on h100:8x2: 16 x H100, 2 host(s)" in gpus[0] and gpus[1].startswith("compiled for as many CPUs")
    two = dataclasses.replace(V5E, slices=2, chip=None, devices=(SimpleNamespace(device_kind="TPU"),) * 16)
    said = reported(topology=two)
    assert "on 2 slices of v5e:4x4: 16 x TPU" in said[0]
    assert any("at the measured matmul peak" in one for one in said)


def test_a_trial_is_a_row():
    flags = {"mesh.fsdp": 4, "model.remat": "full"}
    step = compiled(None, needed=3 * 2**29)
    one = Trial(flags, step, CHEAP, True)
    ends = "--config.mesh.fsdp=4 --config.model.remat=full"
    assert trial_line(one) == f"      1.50 GiB  200 to 400 ms          {ends}"
    rules = {"optimizer.learning_rate_rules": "^model/text/ = 0", "stages.until": (9, 12)}
    other = dataclasses.replace(one, flags=rules, changes="held")
    assert trial_line(other).endswith(
        "held: --config.optimizer.learning_rate_rules='^model/text/ = 0' --config.stages.until=9,12"
    )
    unknown = dataclasses.replace(one, fits=False, step=dataclasses.replace(step, needed=None))
    assert trial_line(unknown) == f"             ?  does not fit           {ends}"


def test_micro_batches_compute_a_forward_pass_again_whatever_the_policy():
    config = resolve(base.get_config())
    for remat in ("none", "full"):
        config.model.update(remat=remat, micro_batch=64)
        assert estimate(config, compiled(None), V5E).extra == pytest.approx(4 / 3)
    unknown = dataclasses.replace(V5E, chip=None)
    one = estimate(config, compiled(None), unknown, peak_flops=3e12)
    assert one.peak_flops == 3e12 and one.chips == 16


def test_two_cores_share_what_a_chip_does():
    config = resolve(base.get_config())
    chip = CHIPS["tpu7x"]
    there = Topology("tpu7x:2x2x2", tuple(range(16)), hosts=2, chip=chip)
    gather = Collective("all-gather", 4, (0, 1, 2, 3), count=1, bytes=25e9)
    seconds = estimate(config, compiled(Program(1e12, 7.38e9, (gather,)), links=5), there).seconds
    assert seconds == pytest.approx(
        {"matrix products": 16e12 / (8 * 2307e12), "main memory": 2e-3, "collectives": 25e9 / 300e9}
    )
