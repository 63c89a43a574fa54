"""Images per second and core from files to batches, beside open_clip's loader in the same run, alternated.

Two cores each, but where threads are compared: our stream with two threads, open_clip's chain with two workers over two
tar shards. Every measurement is a process of its own that is timed once it runs steadily. "per core" is by the wall,
over the cores that threads or workers can have; "per CPU second" is what is left of it when neighbours take them away.
webdataset and torch are peers, not dependencies: where they are absent, their rows are left out.

Parts: rates, encodings, resizers, quality, threads, overhead, memory, start; all of them by default.

    python -m benchmarks.input_pipeline [--images=1536] [--rounds=3] [--parts=rates,quality]
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import sources
from benchmarks import stream as nothing
from benchmarks.harness import Times
from benchmarks.inputs import photographs
from benchmarks.peers import open_clip_chain
from configs import base
from input_pipeline.decode import open_picture
from input_pipeline.sources import open_source
from input_pipeline.stream import Stream, make_stream
from input_pipeline.tokenizers import load_tokenizer
from input_pipeline.views import bicubic
from input_pipeline.views.image import TrainingView
from input_pipeline.views.text import TextView

SIZES = ((500, 375), (1024, 768))
BATCH, RESOLUTION, CORES, WARM_BATCHES = 64, 224, 2, 4
PILLOW = "Pillow resizes"  # a contestant: Parquet on a machine for which cykooz-resizer has no wheel
CROP = {"crop_scale": (0.9, 1.0), "resize": "crop"}  # as open_clip's default
Rate = dict[str, float]


def our_stream(entries: dict[str, tuple[str, str]], resolution: int, image: dict[str, Any]) -> Stream:
    """The stream as a training run makes it, from {name: (format, path)}."""
    config = base.get_config()
    data = config.data.to_dict()
    data["image"] |= image
    data["sources"] = {
        name: {"format": kind, "path": path, "weight": 1.0, "columns": _columns(kind, path)}
        for name, (kind, path) in entries.items()
    }
    tokenizer = load_tokenizer(config.tokenizer.to_dict())
    preprocessing = {"resolution": resolution, "resize": data["image"]["resize"]}
    return make_stream(data, preprocessing=preprocessing, tokenizer=tokenizer, batch_size=BATCH, seed=0)


def _columns(kind: str, path: str) -> dict[str, str]:
    if kind == "webdataset":
        return {"image": "jpg", "captions": "txt"}
    return {"captions": "captions"} if kind == "parquet" else {}


def measure(contestant: str, folder: Path, images: int, threads: int, workers: int) -> Rate:
    """Time one loader in this process: wall and CPU seconds an image, once it runs steadily."""
    theirs = contestant == "open_clip"
    if theirs:
        batches = open_clip_chain.loader(folder / "webdataset", BATCH, threads, RESOLUTION)
    else:
        bicubic._VECTORISED &= contestant != PILLOW
        kind = "parquet" if contestant == PILLOW else contestant
        photos = {"photos": (kind, str(folder / kind))}
        batches = our_stream(photos, RESOLUTION, CROP).batches(threads=threads, workers=workers)
    times = Times[None]()
    for rounds in (WARM_BATCHES, images // BATCH - WARM_BATCHES):
        with times.round():
            count = sum(len(_images(batch)) for batch in itertools.islice(batches, rounds))
    (_, seconds), (warm_cpu, cpu) = times.wall, times.processor
    if theirs:  # the CPU time of its workers is known only when they have ended, and whole
        next(batches, None)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        per_cpu = (WARM_BATCHES * BATCH + count) / (warm_cpu + cpu + usage.ru_utime + usage.ru_stime)
    else:
        batches.close()
        per_cpu = count / cpu
    return {
        "per_core": count / seconds / min(CORES, max(threads, workers)),
        "per_cpu": per_cpu,
        "wall": count / seconds,
    }


def _images(batch: Any) -> Any:
    return batch["image"] if isinstance(batch, dict) else batch[0]


def in_process(contestant: str, folder: Path, images: int, threads: int, workers: int = 0) -> Rate | None:
    """`measure` in a fresh process; None, with the reason printed, where that fails."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.input_pipeline",
        f"--measure={contestant}",
        f"--folder={folder}",
    ]
    done = subprocess.run(
        [*command, f"--images={images}", f"--threads={threads}", f"--workers={workers}"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(f"{contestant:<13} left out: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def compared(
    label: str, where: Path, contestants: Sequence[str], images: int, rounds: int, threads: int = CORES
) -> None:
    """Prints a line for each contestant, with its ratio to the last one."""
    runs: dict[str, list[Rate]] = {name: [] for name in contestants}
    for _, name in itertools.product(range(rounds), contestants):
        if name in runs:
            rate = in_process(name, where, images, threads)
            if rate is None:
                del runs[name]
            else:
                runs[name].append(rate)
    for name, measured in runs.items():
        line = f"{label} {name:<14}"
        for kind, said in (("per_core", "images/s per core"), ("per_cpu", "per CPU second")):
            line += f" {statistics.median(rate[kind] for rate in measured):7.0f} {said}"
            if contestants[-1] in runs:
                pairs = zip(measured, runs[contestants[-1]], strict=True)
                line += f" ({statistics.median(ours[kind] / peer[kind] for ours, peer in pairs):.2f} x)"
        print(line, flush=True)


def rates(folder: Path, images: int, rounds: int) -> None:
    """Every format beside open_clip's chain."""
    for name in map(_spelled, SIZES):
        compared(name, folder / name, [*sources.FORMATS, "open_clip"], images, rounds)


def encodings(folder: Path, images: int, rounds: int) -> None:
    """Pictures that are no JPEGs, of which Pillow decodes ours as well."""
    for encoding, size in itertools.product(("WEBP", "PNG"), SIZES):
        where = folder / encoding
        _write(images // 2, size, where, ("array_record", "webdataset"), encoding)
        compared(f"{encoding} {_spelled(size)}", where, ["array_record", "open_clip"], images // 2, rounds)
        shutil.rmtree(where)  # gigabytes


def resizers(folder: Path, images: int, rounds: int) -> None:
    """Parquet with cykooz-resizer and without."""
    for name in map(_spelled, SIZES):
        compared(name, folder / name, ["parquet", PILLOW], images, rounds)


def _spelled(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _write(images: int, size: tuple[int, int], where: Path, kinds: tuple[str, ...], encoding: str) -> None:
    pairs = photographs.photographs(images, size, encoding=encoding)
    photographs.write(pairs, where, kinds)
    mean = statistics.mean(len(data) for data, _ in pairs) / 1000
    print(f"{_spelled(size)}: {images} of {encoding}, {mean:.0f} kB on average", flush=True)


def quality(folder: Path, images: int, rounds: int) -> None:
    """Mean absolute difference, in grey levels, to antialiased bicubic from the whole picture, by Pillow."""
    from PIL import Image

    view = TrainingView(RESOLUTION, "crop", crop_scale=(0.9, 1.0), crop_ratio=(3 / 4, 4 / 3))
    for size in SIZES:
        differences = []
        for seed, (data, _) in enumerate(photographs.photographs(16, size)):
            box = view._random_box(*size, np.random.default_rng(seed))
            whole = Image.open(io.BytesIO(data)).convert("RGB")
            golden = np.asarray(whole.resize((RESOLUTION, RESOLUTION), Image.Resampling.BICUBIC, box))
            shown = view(open_picture(data), np.random.default_rng(seed))
            filtered = bicubic.bicubic(np.asarray(whole), box, (RESOLUTION, RESOLUTION))
            differences.append([np.abs(one.astype(int) - golden).mean() for one in (shown, filtered)])
        shown, filtered = np.mean(differences, axis=0)
        label = f"{size[0]}x{size[1]} difference to Pillow's bicubic"
        print(f"{label}: {shown:.2f} grey levels, of the filter alone {filtered:.3f}")


def threads(folder: Path, images: int, rounds: int) -> None:
    """1, 2 and 4 threads beside as many workers of open_clip's; what a second worker process brings."""
    for count in (1, 2, 4):
        label = f"{count} thread{'s' if count > 1 else ''}"
        compared(label, folder / "500x375", ["parquet", "open_clip"], 2 * images, rounds, count)
    runs = []
    for _ in range(rounds):
        # Twice as long as the other parts: at the end of a run one of the two has nothing left to do.
        one, two = (in_process("parquet", folder / "500x375", 2 * images, 1, count) for count in (1, 2))
        if one and two:
            runs.append(two["wall"] / one["wall"])
    print(f"1 -> 2 worker processes: {statistics.median(runs):.2f} x", flush=True)


def overhead(folder: Path, images: int, rounds: int) -> None:
    """What the stream adds to its parts, in CPU microseconds a record."""
    specks = ("parquet", str(folder / "specks" / "parquet"))
    _print_parts("8 px, mixture of two", {"one": specks, "two": specks}, resolution=8)
    one, mixed = (nothing.microseconds(nothing.empty(lengths), 40) for lengths in ([4096], [4096, 4096]))
    print(
        f"nothing to load: {one:.0f} us a record from one source, {mixed:.0f} from a mixture of two",
        flush=True,
    )
    _print_parts("quickstart, 64 px", {"train": ("parquet", str(photographs.QUICKSTART))}, resolution=64)


def _print_parts(label: str, entries: dict[str, tuple[str, str]], resolution: int) -> None:
    kind, path = next(iter(entries.values()))
    source = open_source({"format": kind, "path": path, "columns": _columns(kind, path)})
    tokenizer = load_tokenizer(base.get_config().tokenizer.to_dict())
    view, dice = TrainingView(resolution, "pad", (0.5, 1.0), (3 / 4, 4 / 3)), np.random.default_rng(0)
    choose = TextView()
    order = dice.permutation(len(source))[:1024].tolist()
    records = [source[place] for place in order]
    texts = [record.captions[0].text for record in records]
    batches = our_stream(entries, resolution, {"resize": "pad"}).batches(threads=0)
    next(batches)
    count = len(records)
    parts = {
        "read": _microseconds(lambda place: source[place], order),
        "image": _microseconds(lambda record: view(open_picture(record.image), dice), records),
        "caption": _microseconds(lambda record: choose(record, dice), records),
        "tokens": _microseconds(tokenizer.encode, [texts[:BATCH]]) / BATCH,
    }
    whole = _microseconds(lambda _: next(batches), range(count // BATCH)) / BATCH
    batches.close()
    spelled = ", ".join(f"{name} {value:.0f}" for name, value in parts.items())
    rest = whole - sum(parts.values())
    print(f"{label}: {whole:.0f} us a record: {spelled}, stream, mixture and batching {rest:.0f}")


def _microseconds(work: Callable[[Any], Any], items: Sequence[Any]) -> float:
    """CPU time of work on one item, the best of five rounds over all; results are dropped, as batches are."""
    times = Times[None]()
    for _ in range(5):
        with times.round():
            for item in items:
                work(item)
    return min(times.processor) / len(items) * 1e6


def memory(folder: Path, images: int, rounds: int) -> None:
    """Resident memory along 100,000 records."""
    batches = our_stream({"one": ("parquet", str(folder / "specks" / "parquet"))}, 8, {}).batches()
    sizes = []
    for records in range(0, 100_001 + BATCH, BATCH):
        next(batches)
        if records % (160 * BATCH) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            sizes.append(pages * resource.getpagesize() / 2**20)
    batches.close()
    print(f"memory at 0, 10,240, ... 100,000 records: {', '.join(f'{size:.0f}' for size in sizes)} MiB")


def start(folder: Path, images: int, rounds: int) -> None:
    """From opening 1,000 shards to a batch from all over them, the first time and later."""
    for name in sources.FORMATS:
        sources.make_shards(name, folder / "shards" / name, 1000, 20_000)
        cold, warm = sources.cold_and_warm(name, folder / "shards" / name)
        print(
            f"first batch of 1,000 {name} shards: {cold[0]:.2f} s ({cold[1]:.2f} of CPU), "
            f"with the index in the cache {warm[0]:.2f} s ({warm[1]:.2f})",
            flush=True,
        )


PARTS = {
    part.__name__: part for part in (rates, encodings, resizers, quality, threads, overhead, memory, start)
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1536)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--measure", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=CORES, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(
            json.dumps(
                measure(options.measure, options.folder, options.images, options.threads, options.workers)
            )
        )
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in SIZES:
            _write(options.images, size, folder / _spelled(size), tuple(sources.FORMATS), "JPEG")
        photographs.write(photographs.specks(4096), folder / "specks", ("parquet",))
        for part in options.parts.split(","):
            PARTS[part](folder, options.images, options.rounds)


if __name__ == "__main__":
    main()
