"""Plans of CLIP and MLCD at a batch of 32,768 on TPU slices that are not here: the table of docs/scale.md.

Each row compiles one train step, which takes one to four minutes; `--only=l14,v6e` picks rows. Needs
requirements-tpu-plan.txt.

    python -m benchmarks.plans [--only=WORD,...] [--output=FOLDER]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIP_TOKENIZER = ("tokenizer.kind=clip", "tokenizer.path=data/tokenizers/clip")
COMMON = (*CLIP_TOKENIZER, "batch_size=32768", "mesh.fsdp=16", "objectives.contrastive.chunk=1024")
# Both losses: a contrast with texts beside the discrimination among a million centres.
MLCD = ("objectives.discrimination.classes=1000000", "objectives.contrastive.weight=1")
MODELS = {
    "b16": ("clip.py:model=vit_b16", ()),
    "l14": ("clip.py:model=vit_l14", ()),
    "h14": ("clip.py:model=vit_h14", ()),
    "l14_mlcd": ("mlcd.py:model=vit_l14", MLCD),
    # The last fifth of a run: sigmoid, decoder, crops and hidden patches.
    "siglip2_b16": ("siglip2.py:model=vit_b16", ()),
    "siglip2_so400m": ("siglip2.py:model=vit_so400m16", ()),
}
TOPOLOGIES = ("v5e:16x16", "v5p:8x8x8", "v6e:16x16")
# What computes least again of what fits, by generation; elsewhere 'light' does.
REMAT = {
    "v5e": {"l14": "mlp", "l14_mlcd": "mlp", "h14": "full", "siglip2_so400m": "full"},
    "v6e": {"h14": "mlp", "siglip2_so400m": "full"},
}
HEADER = (
    "| model | topology | remat | GiB a chip | of | FLOPs | memory, ms | GB sent | step, ms | MFU, % | pairs/s | days "
    "| chip-hours |"
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="words of the rows to compile, such as l14_mlcd,v5e")
    parser.add_argument("--output", default="runs/plans", help="where reports and figures go")
    options = parser.parse_args()
    words = [word for word in options.only.split(",") if word]
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    print(HEADER, "|" + " --- |" * (HEADER.count("|") - 1), sep="\n", flush=True)
    for model in MODELS:
        for topology in TOPOLOGIES:
            name = f"{model} {topology}"
            if all(word in (model, topology, topology.partition(":")[0]) for word in words):
                print(
                    row(name, plan(model, topology, folder / name.replace(" ", "_").replace(":", "_"))),
                    flush=True,
                )


def plan(model: str, topology: str, stem: Path) -> dict:
    """The figures of one plan; its report stays beside them."""
    config, flags = MODELS[model]
    command = [sys.executable, str(ROOT / "main.py"), "--job=plan", f"--topology={topology}"]
    command += [f"--config=configs/{config}", f"--output={stem}.json"]
    remat = remat_of(model, topology)
    command += [f"--config.{flag}" for flag in (*COMMON, f"model.remat={remat}", *flags)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    stem.with_suffix(".txt").write_text(done.stdout + done.stderr)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(stem.with_suffix(".json").read_text())["plans"][0]


def remat_of(model: str, topology: str) -> str:
    """The policy of a row."""
    return REMAT.get(topology.partition(":")[0], {}).get(model, "light")


def row(name: str, plan: dict) -> str:
    """A line of the table: ranges are from all work overlapping to none, bounds where only the products are known."""
    model, topology = name.split()
    compiled, best, worst = plan["compiled"], plan["best"], plan["worst"]
    program, estimate = compiled["program"], plan["estimate"]
    sent = f"{sum(one['bytes'] for one in program['collectives']) / 1e9:.1f}" if program else "?"

    def span(key: str, scale: float = 1.0, form: str = ",.0f") -> str:
        low, high = sorted((scale * best[key], scale * worst[key]))
        bound = "under" if key in ("mfu", "pairs_per_second") else "over"
        return f"{low:{form}} to {high:{form}}" if program else f"{bound} {low:{form}}"

    needed = f"{compiled['needed'] / 2**30:.2f}" + ("" if plan["fits"] else " (does not fit)")
    moving = f"{1e3 * estimate['seconds']['main memory']:.0f}" if program else "?"
    cells = [model, topology, remat_of(model, topology), needed, f"{plan['limit'] / 2**30:.2f}"]
    cells += [f"{estimate['extra']:.2f}", moving, sent]
    cells += [span("step_seconds", 1e3), span("mfu", 100), span("pairs_per_second")]
    cells += [span("days", 1, ".1f"), span("chip_hours")]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
