"""What --job=embed costs beside the bare compiled forward of the same tower, alternated in one run.

The job's path reads, decodes and resizes JPEGs of 500 x 375, stacks them, encodes, fetches and writes shards; the bare
forward encodes one batch that lies on the device already, as often. On a machine whose processor is the accelerator too
the two share its cores: then the ratio holds the work of decoding, which elsewhere other cores do.

    python -m benchmarks.embedding [--config=configs/clip.py:model=vit_b32,resolution=224] [--batch=32] [--images=128]
        [--rounds=3]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from benchmarks.harness import Times, alternated
from benchmarks.inputs import photographs
from input_pipeline.tokenizers import load_tokenizer
from vlp.configuration.files import load_config
from vlp.configuration.resolve import resolve
from vlp.embeddings.encode import Records, embed
from vlp.model import Model
from vlp.models.compute import resolve_compute
from vlp.models.dual_encoder import DualEncoder, normalise
from vlp.parallel.mesh import local_mesh
from vlp.parallel.sharding import batch_sharding, replicated
from vlp.runs.data import preprocessing_spec
from vlp.runs.startup import usable_cores


def random_model(spec: str) -> tuple[Model, nnx.GraphDef, dict]:
    """The model of a config before its first step, on all devices, and what it is made of."""
    config = resolve(load_config(spec))
    tokenizer, mesh = load_tokenizer(config.tokenizer), local_mesh()

    def make() -> DualEncoder:
        return DualEncoder(
            config.model,
            vocabulary_size=tokenizer.vocabulary_size,
            length=tokenizer.length,
            compute=resolve_compute(config.model),
            rngs=nnx.Rngs(0),
        )

    variables = jax.jit(lambda: nnx.to_pure_dict(nnx.state(make())), out_shardings=replicated(mesh))()
    graphdef = nnx.graphdef(nnx.eval_shape(make))
    model = Model(
        graphdef,
        variables,
        config=config,
        preprocessing=preprocessing_spec(config),
        tokenizer=tokenizer,
        mesh=mesh,
    )
    return model, graphdef, variables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="configs/clip.py:model=vit_b32,resolution=224")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    (model, graphdef, variables), mesh = random_model(options.config), local_mesh()
    batches, side = options.images // options.batch, model.preprocessing["resolution"]
    mean, std = tuple(model.preprocessing["mean"]), tuple(model.preprocessing["std"])

    @jax.jit
    def forward(variables: object, images: jax.Array) -> jax.Array:
        return nnx.merge(graphdef, variables).encode_pixels(normalise(images, mean, std))

    pixels = np.random.default_rng(0).integers(0, 256, (options.batch, side, side, 3), np.uint8)
    batch = jax.device_put(pixels, batch_sharding(mesh))

    def bare() -> None:
        jax.block_until_ready([forward(variables, batch) for _ in range(batches)])

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = photographs.photographs(batches * options.batch, (500, 375))
        photographs.write(pairs, folder, ("parquet",))
        entry = {"format": "parquet", "path": str(folder / "parquet"), "columns": {}}
        records = Records({"photographs": entry}, {}, model.preprocessing, "image")

        places = (folder / f"rows{number}" for number in itertools.count())

        def job() -> None:
            embed(records, model, next(places), threads=usable_cores(), batch_rows=options.batch)

        bare(), job()  # compiles
        times = alternated({"bare forward": bare, "--job=embed": job}, options.rounds)
        alone = Times[None]()
        with alone.round():
            for index in range(len(records)):
                records[index]
        decoding = alone.seconds / len(records)
    images = batches * options.batch
    print(
        f"{options.config}, {jax.device_count()} {jax.devices()[0].device_kind}, {images} images in batches of "
        f"{options.batch}, {options.rounds} rounds, {usable_cores()} cores; decoding alone "
        f"{1000 * decoding:.1f} ms an image and core"
    )
    for label, taken in times.items():
        print(f"{label:<13} median {images / taken.seconds:8.1f} images/s")
    ratio = times["bare forward"].to(times["--job=embed"])
    print(f"the job runs at {ratio:.1%} of the bare forward (of each round: median)")


if __name__ == "__main__":
    main()
