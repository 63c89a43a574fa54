"""Rows of fixed views and of texts, stored by --job=embed, and a run that reads them in the place of their teacher."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from saved_models import saved_model

import main

pytestmark = pytest.mark.slow

SMALL = (
    "--config=configs/quickstart.py:runlocal",
    *("--config.steps=2", "--config.batch_size=16", "--config.log.every=1", "--config.log.tensorboard=false"),
    *(
        f"--config.model.{tower}.{size}"
        for tower in ("image", "text")
        for size in ("depth=1", "width=32", "mlp_dim=64")
    ),
    *("--config.model.image.patch_size=16", "--config.model.embed_dim=16", "--config.data.variants=2"),
    "--config.evaluators={}",
    "--config.objectives.distillation.weight=1.0",
)
OTHER = "--config.data.image.crop_scale=(0.31,0.72)"


@pytest.fixture(scope="module")
def source(quickstart, tmp_path_factory):
    """Forty records, as a flag."""
    path = tmp_path_factory.mktemp("source") / "some.parquet"
    pq.write_table(pq.read_table(quickstart / "val.parquet").slice(0, 40), path)
    return f"--config.data.sources.quickstart.path={path}"


@pytest.fixture(scope="module")
def stored(checkpoint, source, tmp_path_factory):
    """The teacher's rows of two views of each image and of all texts, and the flags of a run that reads them."""
    output = tmp_path_factory.mktemp("taught")
    embed = ("feature=both", "views=2", "dtype=bfloat16", "format=parquet", "sets=('quickstart',)")
    given = ["--job=embed", f"--checkpoint={checkpoint}", f"--output={output}", SMALL[0], source]
    given += [f"--config.embed.{one}" for one in embed]
    assert main.main(given) == 0
    assert main.main([*given, OTHER]) == 2  # other views are not those of this folder
    index = json.loads((output / "index.json").read_text())
    assert index["parts"]["quickstart/image"]["rows"] == 2 * 40
    tables = {
        name: {"path": f"{output}/quickstart/{of}/*.parquet", "column": "embedding", "of": of}
        for name, of in (("images", "image"), ("texts", "text"))
    }
    return index, tables


def losses(workdir, *flags):
    """Of each step."""
    assert main.main([*SMALL, *flags, f"--workdir={workdir}"]) == 0
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [line["distillation/loss"] for line in lines if "distillation/loss" in line]


def read(index, tables, checkpoint):
    """The flags of a run that reads the tables of this checkpoint."""
    owned = {name: {**entry, "checkpoint": str(checkpoint)} for name, entry in tables.items()}
    own = {
        "stored_images": "('images',)",
        "stored_texts": "('texts',)",
        "scales": f"({index['logit_scale']},)",
    }
    own["stored_widths"] = f"({index['parts']['quickstart/image']['dim']},)"
    flags = (f"--config.objectives.distillation.{name}={value}" for name, value in own.items())
    return (f"--config.data.tables={owned}", *flags)


def test_stored_rows_are_those_of_what_the_stream_shows_and_teach_as_their_teacher_does(
    checkpoint, source, stored, tmp_path, capsys
):
    kept = losses(tmp_path / "stored", source, *read(*stored, checkpoint))
    teacher = f"--config.frozen={{'teacher': {{'checkpoint': '{checkpoint}', 'dtype': 'bfloat16'}}}}"
    live = losses(tmp_path / "live", source, teacher)
    assert len(live) == 2
    np.testing.assert_allclose(kept, live, rtol=1e-3)
    capsys.readouterr()
    other = saved_model(tmp_path / "other", seed=1)
    wrong = (source, *read(*stored, other), f"--workdir={tmp_path / 'wrong'}")
    assert main.main([*SMALL, *wrong]) == 2
    error = capsys.readouterr().err
    assert "data.tables.images" in error and f"not of {other}" in error and error.count("\n") == 1
    assert (
        main.main([*SMALL, source, *read(*stored, checkpoint), OTHER, f"--workdir={tmp_path / 'views'}"]) == 2
    )
    assert "by another data.image than this run's" in capsys.readouterr().err
    more = (source, *read(*stored, checkpoint), "--config.data.variants=3", f"--workdir={tmp_path / 'more'}")
    assert main.main([*SMALL, *more]) == 2
    assert "values of 2 fixed views of an image, and data.variants=3" in capsys.readouterr().err
