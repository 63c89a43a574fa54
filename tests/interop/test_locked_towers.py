"""Towers that were trained elsewhere and are held: which parameters each form trains, and what a run starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_single_towers import bert_folder, imported

import vlp
from main import main
from vlp.checkpoint import find_checkpoint, load_model_arrays
from vlp.interop.mapping import flattened

pytestmark = pytest.mark.slow

FAST = (
    "--config.evaluators={}",
    "--config.data.threads=1",
    "--config.log.tensorboard=False",
    "--config.steps=2",
    "--config.optimizer.schedule.warmup_steps=0",
    "--config.optimizer.weight_decay=0.1",
)
TINY = [
    f"--config.model.{tower}.{name}"
    for tower in ("image", "text")
    for name in ("width=16", "depth=1", "heads=2", "mlp_dim=32")
]


def trained(config: str, workdir: Path, *flags: str) -> dict[str, np.ndarray]:
    assert main([f"--config=configs/{config}", f"--workdir={workdir}", *FAST, *flags]) == 0
    return weights(workdir)


def weights(workdir: Path) -> dict[str, np.ndarray]:
    return flattened(load_model_arrays(find_checkpoint(workdir))["params"]["model"])


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("runs") / "start"
    trained("clip.py:runlocal", workdir, *TINY)
    return workdir


HELD = {
    "lit.py:held=image": ("image/", "image_projection/"),
    "lit.py:held=text": ("text/", "text_projection/"),
    "dinotxt.py:blocks=0": ("image/",),
    "dinotxt.py:blocks=2": ("image/",),
}


@pytest.mark.parametrize("form", HELD)
def test_each_form_trains_what_it_says(form: str, start: Path, tmp_path: Path) -> None:
    other = TINY[:4] if "held=text" in form else TINY[4:]
    after = trained(f"{form},runlocal,start={start}", tmp_path / "run", *other)
    before = weights(start)
    for path, array in after.items():
        held = path.startswith(HELD[form]) and not path.startswith("image/top/")
        if held:
            np.testing.assert_array_equal(array, before[path], err_msg=path)
        elif path in before and before[path].shape == array.shape:
            assert (array != before[path]).any(), path
    model = vlp.load(tmp_path / "run")
    pixels = np.zeros((1, *(model.preprocessing["resolution"],) * 2, 3), np.uint8)
    assert model.encode_image_array(pixels).shape == (1, 32)
    if "blocks=2" in form:
        assert "image/top/norm/scale" in after and after["image_projection/kernel"].shape[0] == 32  # twice 16
        assert model.encode_patch_array(pixels).shape[-1] == 32


def test_a_run_starts_from_a_bert_with_its_tokenizer(tmp_path: Path) -> None:
    imported(bert_folder(tmp_path / "theirs"), tmp_path / "bert")
    arguments = f"biomedclip.py:runlocal,text={tmp_path / 'bert'}"
    after = trained(arguments, tmp_path / "run", *TINY[:4], "--config.optimizer.learning_rate=1e-9")
    before = weights(tmp_path / "bert")
    texts = [path for path in before if path.startswith("text/")]
    assert len(texts) > 10
    for path in texts:
        np.testing.assert_allclose(after[path], before[path], atol=1e-6, err_msg=path)
    model = vlp.load(tmp_path / "run")
    assert model.tokenizer.spec["kind"] == "huggingface" and model.encode_text("a fox").shape == (1, 32)


def test_a_start_of_other_shapes_is_one_line(
    start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--config.checkpoint.start_image={start}", "--config.model.image.width=32", *TINY[1:]]
    assert main(["--config=configs/clip.py:runlocal", f"--workdir={tmp_path / 'run'}", *FAST, *flags]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: checkpoint.start_image=") and "model/image/" in line
    assert "start_new='REGEX'" in line
