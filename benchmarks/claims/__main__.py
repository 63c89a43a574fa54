"""Runs claims that `benchmarks/claims` declares: its docstring says how, and how a file declares one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import claims
from benchmarks.claims._claim import Claim, Recipe, load, names
from benchmarks.claims._runs import Failed, processor_seconds, run
from benchmarks.claims._tables import DOCUMENT, RESULTS, declared, document, record, recorded, table
from input_pipeline.whole_files import write_whole
from vlp.methods import methods


def main() -> int:
    """Runs what is asked for; 1 if a run failed."""
    options = _options()
    if options.list:
        for name in names():
            print(f"{name:<20} {'results' if recorded(name) else 'not run':<8} {load(name).title}")
        for method in unclaimed():
            print(f"{'-':<20} {'no file':<8} {method}")
        return 0
    if not options.tables:
        return max(tried(name, options) for name in options.only or names())
    write_whole(DOCUMENT, document(DOCUMENT.read_text(encoding="utf-8")).encode())
    return 0


def tried(name: str, options: argparse.Namespace) -> int:
    """Runs a claim seed by seed, so that what is finished can be compared; 1 if a run failed."""
    claim, output = load(name), Path(options.output).resolve()
    recipe, seeds = Recipe(options.steps or claim.steps, options.data), options.seeds or claim.seeds
    arms: dict[str, dict[str, Any]] = {arm: {} for arm in claim.arms}  # by seed
    seconds: dict[str, dict[str, int]] = {arm: {} for arm in claim.arms}
    results = {
        "steps": recipe.steps,
        "seeds": seeds,
        "declared": declared(claim),
        "arms": arms,
        "processor_seconds": seconds,
    }
    failures = 0
    for seed in range(seeds):
        for arm, step in claim.arms.items():
            try:
                folder = run(step, seed, recipe, output)
            except Failed as error:
                failures += 1
                print(f"{name}, {arm}, seed {seed}: {error}", file=sys.stderr, flush=True)
                continue
            arms[arm][str(seed)] = figures(claim, folder)
            seconds[arm][str(seed)] = processor_seconds(folder)
            record(output / f"{name}.json", results)
    if any(arms.values()):
        print(f"\n{claim.title}\n\n{table(claim, results)}", flush=True)
    if options.record and not failures:
        record(RESULTS / f"{name}.json", results)
    return min(failures, 1)


def unclaimed() -> list[str]:
    """Returns the methods of which no file says anything, those aside that train nothing."""
    said = " ".join(f"{load(name).arxiv} {load(name).says}" for name in names())
    return [
        one.paper for one in methods() if one.family != "evaluation" and (one.arxiv or one.paper) not in said
    ]


def figures(claim: Claim, folder: Path) -> dict[str, float | None]:
    """Returns the figures of one run, by the names of the columns; computed once, as some take a while."""
    path = folder / "figures.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for one in claim.figures.values():
        if one.key not in known:
            value = one.of(folder)
            known[one.key] = value if value is None else round(value, 5)
    path.write_text(json.dumps(known))
    return {name: known[one.key] for name, one in claim.figures.items()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=claims.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", default="runs/claims", help="where the runs go")
    parser.add_argument("--only", default="", help="names of files, with commas; all by default")
    parser.add_argument("--seeds", type=int, default=0, help="how many; 0: as the files say")
    parser.add_argument("--steps", type=int, default=0, help="of a training run; 0: as the files say")
    parser.add_argument("--data", default="", help="folder with a train.parquet of other drawings")
    parser.add_argument(
        "--record", action="store_true", help="keep the results of whole claims beside the files"
    )
    parser.add_argument("--list", action="store_true", help="list the claims")
    parser.add_argument("--tables", action="store_true", help="write docs/claims.md's tables anew")
    options = parser.parse_args()
    options.only = [name for name in options.only.split(",") if name]
    if unknown := {*options.only} - {*names()}:
        parser.error(f"--only={min(unknown)}: there is no such file; there are {', '.join(names())}")
    return options


if __name__ == "__main__":
    sys.exit(main())
