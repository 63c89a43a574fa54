"""Claims of papers, tried at small scale: one recipe, one number of samples, a few seeds, mean and spread.

    python -m benchmarks.claims --output=runs/claims [--groups=methods,labels,rate,kernel] [--seeds=3]
                                [--steps=150] [--data=FOLDER]

Every run is main.py with flags, in a folder of its own under --output; what is finished there is not run again, and
rows with the same flags share their runs. Prints a table a group as Markdown. `tag mAP` is that of a ridge probe on
frozen image embeddings of training images; `other drawings` are of the train.parquet in --data, which no run has seen.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SET = "val_vendor"
FIGURES = {
    "zero-shot top-1": f"zero_shot/{SET}/top1",
    "text to image R@10": f"retrieval/{SET}/text_to_image/recall@10",
    "image to text R@10": f"retrieval/{SET}/image_to_text/recall@10",
    "tag mAP": "tag_map",
    "other drawings, text to image R@10": "retrieval/other/text_to_image/recall@10",
}
LABELS = (1, 2, 4, 8, 16)
RATES = (0.25, 0.5, 1.0)  # of 256 classes: a batch of 64 with one label each always keeps 64
STRONG = {"crop_scale": (0.3, 1.0), "flip": True, "color_jitter": (0.4, 0.4, 0.4, 0.1), "grayscale": 0.2}
TABLE = "--config.data.tables={{'cluster_ids': {{'path': '{path}'}}}}"
PREFIXES = ("caption", "label", "")

COLUMNS = {"captions": "captions", "tags": "tags", "label": "category", "group": "concept"}

Flags = tuple[str, ...]


def on(objective: str, weight: float = 1.0, **settings: Any) -> Flags:
    """The flags that switch an objective on."""
    where = f"--config.objectives.{objective}"
    return (f"{where}.weight={weight}", *(f"{where}.{name}={value}" for name, value in settings.items()))


def clusters(folder: Path, labels: int, rate: float = 1.0) -> Flags:
    """MLCD beside CLIP, by the `labels` nearest of 256 clusters."""
    settings = on("discrimination", 0.1, classes=256, rate=rate, scale=16.0)
    return (*settings, TABLE.format(path=folder / "tables" / f"{labels}.parquet"))


def prototypes(back_translation: bool = True) -> Flags:
    """ProtoCLIP's objective beside CLIP's, ten episodes in a run of 150 steps."""
    settings = {"episode_size": 960, "clusters": 96, "dim": 64, "head_width": 256}
    return on("prototypes", 0.5, back_translation=str(back_translation).lower(), **settings)


def ranking(**settings: Any) -> Flags:
    """Margin ranking in the place of CLIP's contrast."""
    return ("--config.objectives.contrastive.weight=0", *on("ranking", 2.0, **settings))


def bag(ngrams: int) -> Flags:
    """A text tower of words, or of runs of them, without order."""
    where, base = "--config.model.text", {"depth": 0, "heads": 0, "causal": "true", "pool": "end"}
    settings = {"kind": "bag", "ngrams": ngrams, **base}
    return tuple(f"{where}.{name}={value}" for name, value in settings.items())


def mixture(*, targets: str, prefixes: bool) -> Flags:
    """The bundled images once by their captions and once by their labels."""
    common = {"format": "parquet", "path": "data/quickstart/train.parquet"}
    sources = {
        # Without their labels: a pair is a class of its own, but for equal texts.
        "captions": {
            **common,
            "columns": {**COLUMNS, "label": ""},
            "prefix_token": "caption" if prefixes else "",
        },
        "labels": {
            **common,
            "columns": {**COLUMNS, "captions": "", "translations": ""},
            "templates": ("a picture of a {}", "clip art of a {}"),
            "prefix_token": "label" if prefixes else "",
        },
    }
    flags = (f"--config.data.sources={sources!r}", f"--config.objectives.contrastive.targets={targets}")
    token = "--config.tokenizer.prefix_tokens=caption,label"
    return (*flags, token, "--config.data.single_source_batches=true") if prefixes else flags


def variants(folder: Path) -> dict[str, dict[str, Flags]]:
    """By group and name: the flags in which a run differs from CLIP's."""
    views = f"--config.data.image_views={ {'strong': {'count': 2, **STRONG}}!r}"
    sentences = f"--config.data.text_views={ {'captions': {'count': 3}}!r}"
    dreamlip = (sentences, "--config.objectives.contrastive.text_view=captions")
    return {
        "methods": {
            "CLIP": (),
            "SigLIP": (
                "--config.objectives.contrastive.kernel=sigmoid",
                "--config.model.logit_bias.learn=true",
                "--config.model.logit_scale.init=10",
            ),
            "CLIP + MLCD": clusters(folder, 8),
            "CLIP + ProtoCLIP": prototypes(),
            "SLIP": (views, *on("view_contrast", hidden_width=256, output_width=64)),
            "DreamLIP, captions alone": dreamlip,
            "DreamLIP": (*dreamlip, *on("grouping")),
        },
        "labels": {f"MLCD, l = {labels}": clusters(folder, labels) for labels in LABELS},
        "rate": {f"MLCD, l = 1, r = {rate}": clusters(folder, 1, rate) for rate in RATES},
        "kernel": {
            "MLCD": clusters(folder, 8),
            "MLC": (*clusters(folder, 8), "--config.objectives.discrimination.kernel=joint"),
        },
        "ranking": {
            "both directions, hardest (VSE++)": ranking(),
            "both directions, sum (VSE0)": ranking(hardest="false"),
            "image to text alone (DeViSE)": ranking(hardest="false", direction=1.0),
            "text to image alone": ranking(hardest="false", direction=0.0),
            "VSE++, bag of words": (*ranking(), *bag(1)),
            "VSE++, bag of n-grams": (*ranking(), *bag(3)),
        },
        "translation": {
            "with back translation": prototypes(),
            "without": prototypes(back_translation=False),
        },
        "mixtures": {
            "CLIP": mixture(targets="pair", prefixes=False),
            "UniCL": mixture(targets="label", prefixes=False),
            "UniCL + prefixes": mixture(targets="label", prefixes=True),
        },
    }


def evaluation_sets(data: str) -> dict[str, dict[str, Any]]:
    """The bundled set and, if a folder is given, the pictures in it."""
    other = {"other": str(Path(data).resolve() / "train.parquet")} if data else {}
    paths = {SET: f"data/quickstart/{SET}.parquet"} | other
    return {name: {"format": "parquet", "path": path, "columns": COLUMNS} for name, path in paths.items()}


def train(folder: Path, flags: Flags, seed: int, options: argparse.Namespace) -> Path:
    """Runs main.py unless its results are there already."""
    if not (folder / "results.json").exists():
        sets, steps = evaluation_sets(options.data), options.steps
        common = (
            "--config=configs/quickstart.py",
            f"--config.steps={steps}",
            "--config.batch_size=64",
            "--config.checkpoint.every=0",
            f"--config.log.every={max(1, steps // 3)}",
            f"--config.evaluators.zero_shot.sets={SET}",
            f"--config.data.evaluation={sets!r}",
            f"--config.evaluators.retrieval.sets={','.join(sets)}",
            "--config.evaluators.zero_shot.every=0",
            "--config.evaluators.retrieval.every=0",
            f"--config.seed={seed}",
            f"--workdir={folder}",
        )
        main(*common, *flags)
    return folder


def main(*arguments: str) -> None:
    """`python main.py ARGUMENTS`; its output is shown only if it fails."""
    command = [sys.executable, str(ROOT / "main.py"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-3000:]}")


def make_tables(folder: Path, checkpoint: Path) -> None:
    """Side tables of the 1, 2, ... nearest clusters, of a CLIP run's own image embeddings."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = folder / "tables"
    if (tables / f"{LABELS[-1]}.parquet").exists():
        return
    tables.mkdir(parents=True, exist_ok=True)
    settings = ("--config.cluster.k=256", f"--config.cluster.nearest={LABELS[-1]}")
    main("--job=cluster", f"--checkpoint={checkpoint}", f"--output={folder / 'clusters'}", *settings)
    table = pq.read_table(folder / "clusters" / "clusters.parquet")
    ids = np.array(table.column("cluster_ids").to_pylist(), np.int32)
    for labels in LABELS:
        nearest = pa.array(list(ids[:, :labels]), pa.list_(pa.int32()))
        pq.write_table(
            pa.table({"id": table.column("id"), "cluster_ids": nearest}), tables / f"{labels}.parquet"
        )


def figures(folder: Path) -> dict[str, float]:
    """A run's results, with the tag probe beside them."""
    path = folder / "results.json"
    results = json.loads(path.read_text())
    if "tag_map" not in results:
        results |= {"tag_map": tag_map(folder), "pairs_per_second": pairs_per_second(folder)}
        path.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    return results


def pairs_per_second(folder: Path) -> float:
    """The last that the run logged."""
    lines = map(json.loads, (folder / "timings.jsonl").read_text().splitlines())
    return [line["pairs_per_second"] for line in lines][-1]


def tag_map(folder: Path, ridge: float = 1.0, at_least: int = 5) -> float:
    """Mean average precision over the tags that several training and several evaluation images have."""
    import vlp
    from input_pipeline.evaluation_set import load_evaluation_set

    model = vlp.load(folder)
    sets = [
        load_evaluation_set(
            {"format": "parquet", "path": f"data/quickstart/{name}.parquet"}, model.preprocessing
        )
        for name in ("train", SET)
    ]
    rows, columns = ([model.encode_image_array(one.images), one.tags] for one in sets)
    names = sorted({tag for tags in rows[1] for tag in tags})
    known, wanted = (
        np.array([[name in tags for name in names] for tags in map(set, side[1])]) for side in (rows, columns)
    )
    kept = (known.sum(axis=0) >= at_least) & (wanted.sum(axis=0) >= at_least)
    x, y = rows[0].astype(np.float64), known[:, kept] - known[:, kept].mean(axis=0)
    weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    scores, truth = columns[0] @ weights, wanted[:, kept]
    return float(np.mean([average_precision(s, t) for s, t in zip(scores.T, truth.T, strict=True)]))


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Mean of the precision at each relevant item, best score first."""
    hits = truth[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def prefixed(folder: Path, token: str) -> dict[str, float]:
    """The zero-shot figures of a run with another prefix before the prompts."""
    output = folder / f"prefix_{token or 'none'}.json"
    if not output.exists():
        prompts = (
            f"--config.evaluators.zero_shot.sets={SET}",
            f"--config.evaluators.zero_shot.prefix_token={token}",
            f"--config.evaluators.retrieval.sets={SET}",
            f"--config.evaluators.retrieval.prefix_token={token}",
            "--config.tokenizer.prefix_tokens=caption,label",
        )
        main("--job=evaluate", f"--checkpoint={folder}", f"--output={output}", *prompts)
    return json.loads(output.read_text())


def rows(
    group: str, folder: Path, options: argparse.Namespace
) -> Iterator[tuple[str, list[dict[str, float]]]]:
    """Each row's name and its figures by seed."""
    for name, flags in variants(folder)[group].items():
        digest = hashlib.sha256(repr(flags).encode()).hexdigest()[:8]
        runs = [train(folder / f"{digest}_{seed}", flags, seed, options) for seed in range(options.seeds)]
        found = [figures(run) for run in runs]
        yield name, found
        if "prefixes" in name:
            for token in PREFIXES:
                with_token = [prefixed(run, token) for run in runs]
                yield (
                    f"{name}, test prefix: {token or 'none'}",
                    [a | b for a, b in zip(found, with_token, strict=True)],
                )


def table(group: str, folder: Path, options: argparse.Namespace) -> str:
    """A group as Markdown: mean and standard deviation over the seeds, in percent."""
    lines = [
        f"| {group} | " + " | ".join([*FIGURES, "pairs/s"]) + " |",
        "| --- |" + " ---: |" * (1 + len(FIGURES)),
    ]
    for name, found in rows(group, folder, options):
        cells = []
        for figure in FIGURES.values():
            values = [100 * one[figure] for one in found if figure in one]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{statistics.mean(values):.1f} ± {spread:.1f}" if values else "-")
        cells.append(f"{statistics.median(one['pairs_per_second'] for one in found):.0f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def run() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", default="runs/claims")
    parser.add_argument("--groups", default="methods,labels,rate,kernel,ranking,translation,mixtures")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--data", default="", help="folder with a train.parquet of other drawings")
    options = parser.parse_args()
    folder = Path(options.output).resolve()
    make_tables(folder, train(folder / "source_of_clusters", (), 0, options))
    for group in options.groups.split(","):
        print(f"\n{table(group, folder, options)}")


if __name__ == "__main__":
    run()
