"""Randomly initialised models of every family: imported, compared on real pairs, exported again bit by bit."""

from __future__ import annotations

import importlib.machinery
import io
import json
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

import vlp
from input_pipeline.tokenizers import Tokenizer, load_tokenizer
from main import main
from vlp.interop.images import write_preprocessing
from vlp.interop.text import write_tokenizer

torch = pytest.importorskip("torch", reason="torch is a peer, not a dependency")
transformers = pytest.importorskip("transformers", reason="transformers is a peer, not a dependency")

ROOT = Path(__file__).resolve().parents[2]
COUNT = 6
HALF = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}


@pytest.fixture(scope="module")
def pairs() -> tuple[list[Image.Image], list[str]]:
    table = pq.read_table(ROOT / "data" / "quickstart" / "val.parquet", columns=["image", "captions"])
    rows = table.slice(0, COUNT).to_pylist()
    images = [row["image"]["bytes"] if isinstance(row["image"], dict) else row["image"] for row in rows]
    return [Image.open(io.BytesIO(data)).convert("RGB") for data in images], [
        row["captions"][0] for row in rows
    ]


@pytest.fixture(scope="module")
def open_clip() -> Any:
    return pytest.importorskip("open_clip", reason="open_clip is a peer, not a dependency")


def own_tokenizer(length: int = 16) -> Tokenizer:
    path = str(ROOT / "data" / "quickstart" / "tokenizer.model")
    return load_tokenizer(
        {"kind": "sentencepiece", "path": path, "length": length, "vocabulary_size": 0, "clean": "lower"}
    )


def shaken(model: Any) -> Any:
    """Every parameter at random: norms and biases too, that start at ones and zeros."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and "logit" not in name:
                noise = torch.randn(tensor.shape, generator=generator)
                tensor.add_((0.05 * noise).abs() if "running_var" in name else 0.05 * noise)
    return model.eval()


VISION = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}


def huggingface(folder: Path, kind: str, tower: dict[str, Any], patch_size: int = 16, side: int = 32) -> Path:
    """A folder of a tiny CLIPModel or SiglipModel with our own tokenizer."""
    torch.manual_seed(0)
    tokenizer = own_tokenizer()
    size = {**VISION, **tower}
    text = {**size, "vocab_size": tokenizer.vocabulary_size, "max_position_embeddings": 16}
    text |= {"eos_token_id": tokenizer.special.end, "projection_size": 32, "pad_token_id": 0}
    vision = {**size, "image_size": side, "patch_size": patch_size}
    if kind == "clip":
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
        model = shaken(transformers.CLIPModel(config))
    else:
        config = transformers.SiglipConfig(text_config=text, vision_config=vision)
        model = shaken(transformers.SiglipModel(config))
    family = f"huggingface_{kind}"
    model.save_pretrained(folder)
    write_tokenizer(tokenizer, folder, family)
    resize = "crop" if kind == "clip" else "squash"
    spec = {**HALF, "resolution": side, "resize": resize, "convention": "transformers"}
    write_preprocessing(spec, folder, family)
    return folder


def imported(source: Path, workdir: Path, *flags: str) -> Any:
    assert main(["--job=import", f"--source={source}", f"--workdir={workdir}", *flags]) == 0
    return vlp.load(workdir)


def exported(workdir: Path, form: str, output: Path) -> Path:
    assert main(["--job=export", f"--checkpoint={workdir}", f"--format={form}", f"--output={output}"]) == 0
    return output


def peers_rows(
    folder: Path,
    images: list[Image.Image],
    texts: list[str],
    *,
    max_length: int | None = None,
    processor: Any = None,
) -> tuple[Any, Any, Any]:
    """What transformers says of pairs, by its ordinary calls: unit rows of images and of texts, and logits."""
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    # With torchvision installed it would resize by that, whose bicubic is not Pillow's to the last grey level.
    processor = processor or transformers.AutoProcessor.from_pretrained(folder, backend="pil")
    options = {"padding": "max_length", "max_length": max_length, "truncation": True}
    inputs = processor(text=texts, images=images, **options, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    return tuple(x.numpy() for x in (outputs.image_embeds, outputs.text_embeds, outputs.logits_per_image))


def same(model: Any, rows: tuple[Any, Any, Any], images: list[Image.Image], texts: list[str]) -> None:
    ours = model.encode_image(images), model.encode_text(texts)
    assert np.std(ours[0], axis=0).max() > 1e-3, "images that look alike prove nothing"
    np.testing.assert_allclose(ours[0], rows[0], atol=1e-5)
    np.testing.assert_allclose(ours[1], rows[1], atol=1e-5)
    bias = float(model._variables.get("logit_bias", 0.0))
    logits = model.logit_scale * ours[0] @ ours[1].T + bias
    np.testing.assert_allclose(logits, rows[2], atol=1e-5 * max(1.0, model.logit_scale))


def same_weights(one: Path, other: Path) -> None:
    before, after = load_file(one), load_file(other)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.shape == after[name].shape and tensor.tobytes() == after[name].tobytes(), name


@pytest.mark.parametrize(
    ("kind", "tower"),
    [
        ("clip", {}),
        ("clip", {"hidden_act": "gelu", "layer_norm_eps": 1e-4}),
        ("siglip", {}),
    ],
)
def test_hugging_face_in_and_out(kind: str, tower: dict, pairs: Any, tmp_path: Path) -> None:
    folder = huggingface(tmp_path / "theirs", kind, tower)
    rows = peers_rows(folder, *pairs)
    same(imported(folder, tmp_path / "ours"), rows, *pairs)
    back = exported(tmp_path / "ours", "huggingface", tmp_path / "back")
    same_weights(folder / "model.safetensors", back / "model.safetensors")
    for ours, theirs in zip(peers_rows(back, *pairs), rows, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("kind", "name"), [("clip", "CLIPProcessor"), ("siglip", "SiglipProcessor")])
def test_what_is_exported_is_read_by_the_ordinary_calls(
    kind: str, name: str, pairs: Any, tmp_path: Path
) -> None:
    """Whatever resizes there: torchvision where it is installed, else Pillow.

    torchvision rounds some grey levels otherwise, and so the bound is wider than that of Pillow's own back end.
    """
    ours = imported(huggingface(tmp_path / "theirs", kind, {}), tmp_path / "ours")
    back = exported(tmp_path / "ours", "huggingface", tmp_path / "back")
    images, texts = ours.encode_image(pairs[0]), ours.encode_text(pairs[1])
    for loader in (transformers.AutoProcessor, getattr(transformers, name)):
        rows = peers_rows(back, *pairs, processor=loader.from_pretrained(back))
        assert np.sum(images * rows[0], axis=1).min() > 0.999
        np.testing.assert_allclose(texts, rows[1], atol=1e-5)


TOWER = {"layers": 2, "width": 64, "mlp_ratio": 2.0}
OPEN_CLIP = {
    "clip": ({"patch_size": 16}, {}, {"quick_gelu": True}),
    "average": (
        {"patch_size": 8, "pool_type": "avg", "no_ln_pre": True, "act_kwargs": {"approximate": "tanh"}},
        {"no_causal_mask": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}},
        {"init_logit_bias": -3.0},
    ),
    "custom": (
        {"patch_size": 16, "head_width": 16},
        {"pool_type": "eos", "eos_id": 3, "proj_bias": True, "no_causal_mask": True},
        {"custom_text": True},
    ),
    "timm": (
        {
            "timm_model_name": "vit_base_patch16_siglip_224",
            "timm_model_pretrained": False,
            "timm_pool": "map",
            "timm_proj": "none",
        },
        {"no_causal_mask": True, "pool_type": "last", "proj_bias": True, "norm_kwargs": {"eps": 1e-6}},
        {"custom_text": True, "init_logit_bias": -10.0, "embed_dim": 768},
    ),
    "resnet": ({"layers": [2, 2, 2, 2], "width": 16}, {}, {}),
}


def open_clip_folder(folder: Path, name: str, open_clip: Any) -> Path:
    """A folder of a tiny OpenCLIP model with our own tokenizer."""
    vision, text, more = OPEN_CLIP[name]
    tokenizer = own_tokenizer()
    side = {"resnet": 64, "timm": 224}.get(name, 32)
    config = {
        "embed_dim": 32,
        **more,
        "vision_cfg": {**TOWER, "head_width": 32, **vision, "image_size": side},
        "text_cfg": {**TOWER, "heads": 4, "context_length": 16, "vocab_size": 2000, **text},
    }
    if "pool_type" not in text:
        config["text_cfg"] |= {"pool_type": "eos", "eos_id": tokenizer.special.end}
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    write_tokenizer(tokenizer, folder, "open_clip")
    spec = {**HALF, "resolution": side, "resize": "crop", "convention": "torchvision"}
    write_preprocessing(spec, folder, "open_clip")
    model = shaken(open_clip.create_model(f"local-dir:{folder}", load_weights=False))
    tensors = {key: tensor.contiguous().numpy() for key, tensor in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    return folder


def open_clip_rows(
    folder: Path, images: list[Image.Image], texts: list[str], open_clip: Any
) -> tuple[Any, Any, Any]:
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    ids = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    model.eval()
    with torch.no_grad():
        rows = model.encode_image(torch.stack([preprocess(image) for image in images]), normalize=True)
        columns = model.encode_text(ids, normalize=True)
        logits = model.logit_scale.exp() * rows @ columns.T
        logits = logits if model.logit_bias is None else logits + model.logit_bias
    return rows.numpy(), columns.numpy(), logits.numpy()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in ("timm", "resnet") else [])
        for name in OPEN_CLIP
    ],
)
def test_open_clip_in_and_out(name: str, pairs: Any, tmp_path: Path, open_clip: Any) -> None:
    folder = open_clip_folder(tmp_path / "theirs", name, open_clip)
    rows = open_clip_rows(folder, *pairs, open_clip)
    if name == "clip":  # as the Hub has them: the same for transformers beside
        save_file({"other": np.zeros(2, np.float32)}, folder / "model.safetensors")
    same(imported(folder, tmp_path / "ours"), rows, *pairs)
    if name == "timm":  # for open_clip's own towers have no attention pooling without a projection
        back = exported(tmp_path / "ours", "huggingface", tmp_path / "back")
        for ours, theirs in zip(peers_rows(back, *pairs), rows, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
        return
    back = exported(tmp_path / "ours", "open_clip", tmp_path / "back")
    if name == "custom":  # its text tower has a place of its own there, which changes names only
        for ours, theirs in zip(open_clip_rows(back, *pairs, open_clip), rows, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
        return
    before, after = (load_file(path / "open_clip_model.safetensors") for path in (folder, back))
    counters = {key for key in before if key.endswith("num_batches_tracked")}
    assert before.keys() - counters == after.keys() - counters
    assert all(before[key].tobytes() == after[key].tobytes() for key in after.keys() - counters)
    for ours, theirs in zip(open_clip_rows(back, *pairs, open_clip), rows, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_openai_s_archives(pairs: Any, tmp_path: Path, open_clip: Any) -> None:
    """Their names and half precision, the architecture read off the shapes."""
    pytest.importorskip("ftfy", reason="their tokenizer mends texts with it")
    tower = {"layers": 2, "width": 64}
    model = shaken(
        open_clip.CLIP(
            32,
            {**tower, "patch_size": 16, "image_size": 32},
            {**tower, "heads": 1, "context_length": 16},
            quick_gelu=True,
        )
    )
    tensors = {name: x.half().numpy() for name, x in model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(x).float() for name, x in tensors.items()})
    folder = tmp_path / "theirs"
    folder.mkdir()
    sizes = {"context_length": 16, "input_resolution": 32, "vocab_size": 49408}
    tensors |= {name: np.asarray(size) for name, size in sizes.items()}
    save_file(tensors, folder / "tiny.safetensors")
    ours = imported(folder / "tiny.safetensors", tmp_path / "ours")
    ids = open_clip.SimpleTokenizer(context_length=16)(pairs[1])
    preprocess = open_clip.transform.image_transform(32, is_train=False)
    with torch.no_grad():
        rows = model.encode_image(torch.stack([preprocess(image) for image in pairs[0]]), normalize=True)
        columns = model.encode_text(ids, normalize=True)
    logits = model.logit_scale.exp().detach() * rows @ columns.T
    same(ours, (rows.numpy(), columns.numpy(), logits.numpy()), *pairs)


class Anything(types.ModuleType):
    """A module that has every name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name)


def big_vision_two_towers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """big_vision's own module; of TensorFlow it imports a part that no model uses."""
    for name in ("tensorflow", "tensorflow.io", "tensorflow.io.gfile"):
        monkeypatch.setitem(sys.modules, name, Anything(name))
    return pytest.importorskip(
        "big_vision.models.proj.image_text.two_towers", reason="big_vision is a peer, not a dependency"
    )


@pytest.mark.parametrize("scan", [False, True])
def test_big_vision_s_siglip(scan: bool, pairs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jax

    two_towers = big_vision_two_towers(monkeypatch)
    tower = {"width": 32, "depth": 2, "mlp_dim": 48, "num_heads": 4, "scan": scan}
    model = two_towers.Model(
        image={**tower, "patch_size": (16, 16), "pool_type": "map"},
        text={**tower, "vocab_size": 2000},
        out_dim=(None, 32),
        temperature_init=10.0,
        bias_init=-10.0,
    )
    ids = np.zeros((1, 16), np.int32)
    pixels = np.zeros((1, 32, 32, 3), np.float32)
    params = jax.jit(model.init)(jax.random.key(0), pixels, ids)
    leaves, tree = jax.tree.flatten(params)
    dice = np.random.default_rng(0)
    leaves = [np.asarray(leaf) + 0.05 * dice.normal(size=leaf.shape).astype(np.float32) for leaf in leaves]
    params = jax.tree.unflatten(tree, leaves)
    folder = tmp_path / "theirs"
    folder.mkdir()
    names = ["/".join(key.key for key in path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    np.savez(folder / "tiny.npz", **dict(zip(names, leaves, strict=True)))
    shutil.copy(ROOT / "data" / "quickstart" / "tokenizer.model", folder)
    ours = imported(folder / "tiny.npz", tmp_path / "ours")
    ids, _ = ours.tokenizer.encode(pairs[1])
    pixels = ours._view.load(pairs[0]).astype(np.float32) / 127.5 - 1
    rows, columns, out = model.apply(params, pixels, ids)
    logits = out["t"] * rows @ columns.T + out["b"]
    same(ours, tuple(np.asarray(x) for x in (rows, columns, logits)), *pairs)


def damaged(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    tensors = dict(load_file(folder / "model.safetensors"))
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def configured(folder: Path, name: str = "config.json", **changes: Any) -> None:
    """Changes settings, `part__key` those of a part."""
    config = json.loads((folder / name).read_text())
    for key, value in changes.items():
        *parts, last = key.split("__")
        node = config
        for part in parts:
            node = node[part]
        node[last] = value
    (folder / name).write_text(json.dumps(config))


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface(tmp_path_factory.mktemp("clip") / "theirs", "clip", {})
