"""The training step on one GPU: pairs/s, MFU and memory by model, batch, attention, loss and remat, beside open_clip.

CLIP's ViT-B/32, B/16 and L/14 at 224 px with 77 tokens in bfloat16: the very step of `configs/clip.py`, on data that
lies on the device. Each row is a process of its own, so that one that runs out of memory is a row that says so.
`benchmarks/gpu.sh` sets up what is missing and runs this:

    python -m benchmarks.gpu [--models=b32,b16,l14] [--batches=256,512,1024,2048,4096] [--seconds=5]
    python -m benchmarks.gpu --tiny        # the same on whatever is here, at toy sizes

MFU is the model's matmul FLOPs (3 forward passes; causal attention in full; what remat computes again does not count)
over the card's measured bfloat16 matmul peak. Rows appear as they are measured and are kept in --output, which a second
call completes; the table comes last.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import gpu_rows
from benchmarks.gpu_rows import Row
from benchmarks.peers.open_clip_step import Absent

ROOT = Path(__file__).resolve().parents[1]
BATCHES = (256, 512, 1024, 2048, 4096)
CHUNK = 512
# https://docs.jax.dev/en/latest/gpu_performance_tips.html, "Code generation flags". Its other flag, the latency hiding
# scheduler, moves communication, of which one card has none.
TRITON = "--xla_gpu_triton_gemm_any=true"
# https://docs.jax.dev/en/latest/gpu_memory_allocation.html: JAX keeps to 75 % of a card's memory unless told otherwise.
MEMORY = {"XLA_CLIENT_MEM_FRACTION": "0.92"}
OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "out of memory", "OutOfMemoryError")
HEADER = "| model | batch | contestant | attention | loss | remat | XLA flags | step, ms | pairs/s | MFU, % | GiB |"


def rows(models: list[str], batches: list[int], chunk: int = CHUNK) -> Iterator[Row]:
    """Every question once: batch sizes and remat policies; at one batch size attention, loss and flags; open_clip."""
    middle = batches[len(batches) // 2]
    for model in models:
        for remat in ("none", "dots", "full"):
            for batch in batches:
                yield Row(model, batch, remat=remat)
        for batch in (middle, batches[-1]):
            yield Row(model, batch, remat="full", chunk=chunk)
        yield Row(model, middle, remat="full", attention="xla")
        yield Row(model, middle, remat="full", xla_flags=TRITON)
        for remat in ("none", "full"):
            for batch in batches:
                yield Row(model, batch, contestant="open_clip", attention="torch", remat=remat)


def smaller_did_not_fit(row: Row, done: dict[Row, dict[str, Any]]) -> bool:
    """Whether the same row with a smaller batch ran out of memory already."""
    return any(
        result.get("error") == "out of memory" and other.batch < row.batch
        for other, result in done.items()
        if dataclasses.replace(other, batch=row.batch) == row
    )


def run(row: Row | None, seconds: float) -> dict[str, Any]:
    """Measures a row, or the machine, in a process of its own; what fails is an 'error' in the result."""
    question = json.dumps(dataclasses.asdict(row)) if row else "machine"
    environment = dict(os.environ)
    if not any(name.endswith("CLIENT_MEM_FRACTION") for name in environment):
        environment |= MEMORY
    if row and row.xla_flags:
        environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} {row.xla_flags}".strip()
    python = sys.executable
    if row and row.contestant == "open_clip":
        python = os.environ.get("OPEN_CLIP_PYTHON", python)
    command = [python, "-m", "benchmarks.gpu", f"--row={question}", f"--seconds={seconds}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    return {"error": what_went_wrong(done.returncode, done.stderr)}


def what_went_wrong(status: int, words: str) -> str:
    """One line of a failed process's last words."""
    if (
        any(sign in words for sign in OUT_OF_MEMORY) or status == -9
    ):  # -9: the system took the host's memory back
        return "out of memory"
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line.split(":")[0]]
    return (telling or lines or [f"exit status {status}"])[-1][:160]


def answer(question: str, seconds: float) -> dict[str, Any]:
    """What a row's process does."""
    if question == "machine":
        return gpu_rows.machine(min(seconds, 2.0))
    row = Row(**json.loads(question))
    try:
        return gpu_rows.measure(row, seconds)
    except Absent as absent:
        return {"error": f"left out: {absent}"}


def line(row: Row, result: dict[str, Any], peak: float) -> str:
    """A line of the table."""
    loss = f"chunks of {row.chunk}" if row.chunk else "dense"
    attention = result.get("attention", row.attention)
    cells = [row.model, f"{row.batch:,}", row.contestant, attention, loss, row.remat, row.xla_flags or "-"]
    if "error" in result:
        return "| " + " | ".join([*cells, result["error"], "-", "-", "-"]) + " |"
    mfu = gpu_rows.model_flops(row) / result["step_seconds"] / peak
    cells += [f"{1e3 * result['step_seconds']:.1f}", f"{result['pairs_per_second']:,.0f}"]
    cells += [f"{100 * mfu:.1f}", f"{result['memory_bytes'] / 2**30:.1f}"]
    return "| " + " | ".join(cells) + " |"


def about(machine: dict[str, Any]) -> str:
    """The line above the table."""
    peak = f"{machine['peak_flops'] / 1e12:,.1f} TFLOP/s in {machine['peak_dtype']} matmuls, measured"
    return (
        f"{machine['driver'] or machine['card']}; jax {machine['jax']}, {machine['platform_version']}; {peak}"
    )


def read(output: Path) -> dict[Row, dict[str, Any]]:
    """Rows of an earlier call; what was absent then is tried again."""
    if not output.is_file():
        return {}
    entries = [json.loads(text) for text in output.read_text().splitlines()]
    found = {Row(**entry["row"]): entry["result"] for entry in entries if "row" in entry}
    return {
        row: result for row, result in found.items() if result.get("error", "out of memory")[:4] == "out "
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="b32,b16,l14")
    parser.add_argument("--batches", default=",".join(map(str, BATCHES)), help="pairs, ascending")
    parser.add_argument("--contestants", default=",".join(gpu_rows.CONTESTANTS))
    parser.add_argument("--remat", default="none,dots,full")
    parser.add_argument("--seconds", type=float, default=5.0, help="that each row is measured for")
    parser.add_argument("--output", default="runs/gpu.jsonl", help="a JSON object a row")
    parser.add_argument("--tiny", action="store_true", help="toy sizes, for machines without a GPU")
    parser.add_argument("--row", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        answers, sys.stdout = sys.stdout, sys.stderr
        print(json.dumps(answer(options.row, options.seconds)), file=answers, flush=True)
        return
    machine = run(None, options.seconds)
    if "error" in machine:
        raise SystemExit(f"JAX does not start here: {machine['error']}")
    if machine["platform"] != "gpu" and not options.tiny:
        raise SystemExit(
            f"JAX sees no GPU here, only {machine['card']}: install jax[cuda13], as benchmarks/gpu.sh does, or try "
            "--tiny"
        )
    models, batches, chunk = options.models.split(","), [int(n) for n in options.batches.split(",")], CHUNK
    if options.tiny:
        models, batches, chunk = ["tiny"], [8, 16], 4
    print(about(machine), HEADER, "|" + " --- |" * (HEADER.count("|") - 1), sep="\n", flush=True)
    output = Path(options.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    done = read(output)
    with output.open("a") as file:
        print(json.dumps({"machine": machine}), file=file, flush=True)
        for row in dict.fromkeys(rows(models, batches, chunk)):
            if row.contestant not in options.contestants.split(",") or row.remat not in options.remat.split(
                ","
            ):
                continue
            if row not in done:
                known = {"error": "out of memory"} if smaller_did_not_fit(row, done) else None
                done[row] = known or run(row, options.seconds)
                result = {"row": dataclasses.asdict(row), "result": done[row]}
                print(json.dumps(result), file=file, flush=True)
            print(line(row, done[row], machine["peak_flops"]), flush=True)


if __name__ == "__main__":
    main()
