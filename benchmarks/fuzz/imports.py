"""Damaged and hostile folders of other projects' models: each is imported as it is read there, or refused in a line.

python -m benchmarks.fuzz.imports [--cases=2000] [--kinds=clip,siglip,...] [--first=0]

A traceback, a hang and a model whose embeddings are no numbers are failures. Where transformers and open_clip are
installed, they read what was imported, too: whatever they encode otherwise is a failure as well. Exit code 1 where
something failed.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from benchmarks.fuzz import harness
from benchmarks.fuzz.mutations import corrupt, mutated_arrays, mutated_json
from benchmarks.fuzz.peers import rows_of_peer
from benchmarks.fuzz.towers import Files, bert, dinov2
from benchmarks.models import saved

ROOT = Path(__file__).resolve().parents[2]
CLIP_LIKE = {"image": {"pool": "class", "pre_norm": True}, "text": {"causal": True, "pool": "end"}}
SIGLIP_LIKE = {"text": {"pool": "last"}}
TEXTS = ["a red square", "", "two blue circles on a white ground " * 3]


def checkpoint(folder: Path, changes: Mapping[str, Mapping[str, Any]]) -> Path:
    """A tiny model of our own, its weights at random."""

    def configure(config: Any) -> None:
        config.model.embed_dim = 32
        for tower in ("image", "text"):
            config.model[tower].update(
                size="", width=32, depth=1, heads=2, mlp_dim=48, **changes.get(tower, {})
            )
        config.model.image.update(resolution=32, patch_size=16)
        config.data.image.resize = "squash"
        config.tokenizer.update(length=12, path=str(ROOT / "data" / "quickstart" / "tokenizer.model"))

    return saved(folder, configure)


def _exported(folder: Path, changes: Mapping[str, Mapping[str, Any]], form: str) -> Files:
    from vlp.interop.exported import export_model

    export_model(checkpoint(folder / "ours", changes), form, folder / "theirs")
    files = {path.name: path.read_bytes() for path in (folder / "theirs").iterdir()}
    for name in ("ours", "theirs"):
        shutil.rmtree(folder / name)
    return files


def clip(folder: Path) -> Files:
    """A CLIPModel of Hugging Face with a tokenizer.json."""
    return _exported(folder, CLIP_LIKE, "huggingface")


def clip_words(folder: Path) -> Files:
    """The same with a tokenizer of CLIP's own kind, in two files."""
    files = clip(folder)
    letters = [chr(97 + place) for place in range(26)]
    names = [
        *letters,
        *(f"{letter}</w>" for letter in letters),
        "re</w>",
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    config = json.loads(files["config.json"])
    config["text_config"] |= {"vocab_size": len(names), "eos_token_id": len(names) - 1}
    tensors = _tensors(files["model.safetensors"])
    name = "text_model.embeddings.token_embedding.weight"
    tensors[name] = tensors[name][: len(names)].copy()
    rest = {name: data for name, data in files.items() if name == "preprocessor_config.json"}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 12}
    return rest | {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": _safetensors(tensors),
        "vocab.json": json.dumps({name: place for place, name in enumerate(names)}).encode(),
        "merges.txt": b"#version: 0.2\nr e</w>\n",
        "tokenizer_config.json": json.dumps(settings).encode(),
    }


def siglip(folder: Path) -> Files:
    """A SiglipModel of Hugging Face."""
    return _exported(folder, SIGLIP_LIKE, "huggingface")


def siglip_pieces(folder: Path) -> Files:
    """The same with a SentencePiece model for its tokenizer."""
    files = siglip(folder)
    settings = {"tokenizer_class": "SiglipTokenizer", "model_max_length": 12, "pad_token": "</s>"}
    rest = {name: data for name, data in files.items() if not name.startswith(("tokenizer", "special"))}
    model = (ROOT / "data" / "quickstart" / "tokenizer.model").read_bytes()
    return rest | {"spiece.model": model, "tokenizer_config.json": json.dumps(settings).encode()}


def shards(folder: Path) -> Files:
    """A CLIPModel in two files and an index."""
    files = clip(folder)
    tensors = _tensors(files.pop("model.safetensors"))
    names = sorted(tensors)
    halves = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    index = {
        "metadata": {"total_size": 0},
        "weight_map": {name: file for file, mine in halves.items() for name in mine},
    }
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    return files | {
        file: _safetensors({name: tensors[name] for name in mine}) for file, mine in halves.items()
    }


def open_clip(folder: Path) -> Files:
    """A folder of OpenCLIP's."""
    return _exported(folder, CLIP_LIKE, "open_clip")


def pickle(folder: Path) -> Files:
    """A CLIPModel whose weights are a pickle."""
    import torch

    files = clip(folder)
    buffer = io.BytesIO()
    torch.save(
        {name: torch.from_numpy(x) for name, x in _tensors(files.pop("model.safetensors")).items()}, buffer
    )
    return files | {"pytorch_model.bin": buffer.getvalue()}


def big_vision(folder: Path) -> Files:
    """A SigLIP of big_vision's: an archive of arrays and a SentencePiece model."""
    width, heads, mlp, dice = 32, 2, 48, np.random.default_rng(0)
    part, attention = width // heads, "MultiHeadDotProductAttention_0"
    block: dict[str, tuple[int, ...]] = {
        f"LayerNorm_{place}/{kind}": (width,) for place in (0, 1) for kind in ("scale", "bias")
    }
    block |= {"MlpBlock_0/Dense_0/kernel": (width, mlp), "MlpBlock_0/Dense_0/bias": (mlp,)}
    block |= {"MlpBlock_0/Dense_1/kernel": (mlp, width), "MlpBlock_0/Dense_1/bias": (width,)}
    for name in ("query", "key", "value"):
        block |= {
            f"{attention}/{name}/kernel": (width, heads, part),
            f"{attention}/{name}/bias": (heads, part),
        }
    block |= {f"{attention}/out/kernel": (heads, part, width), f"{attention}/out/bias": (width,)}
    shapes: dict[str, tuple[int, ...]] = {
        "img/embedding/kernel": (16, 16, 3, width),
        "img/embedding/bias": (width,),
        "img/pos_embedding": (1, 4, width),
        "txt/Embed_0/embedding": (2000, width),
        "txt/pos_embedding": (1, 12, width),
        "txt/head/kernel": (width, width),
        "txt/head/bias": (width,),
        "t": (1,),
        "b": (1,),
    }
    for encoder in ("img/Transformer", "txt/Encoder_0"):
        shapes |= {f"{encoder}/encoderblock_0/{name}": shape for name, shape in block.items()}
        shapes |= {f"{encoder}/encoder_norm/{kind}": (width,) for kind in ("scale", "bias")}
    arrays = {
        f"params/{name}": 0.1 * dice.normal(size=shape).astype(np.float32) for name, shape in shapes.items()
    }
    model = (ROOT / "data" / "quickstart" / "tokenizer.model").read_bytes()
    return {"model.npz": _npz(arrays), "tokenizer.model": model}


def _tensors(data: bytes) -> dict[str, np.ndarray]:
    from safetensors.numpy import load

    return dict(load(data))


def _safetensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    from safetensors.numpy import save

    plain = {name: np.array(x, order="C") for name, x in tensors.items()}
    return bytes(save(plain, metadata={"format": "pt"}))


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def mutated(files: Files, dice: np.random.Generator) -> Files:
    """A folder with one accident or two."""
    files = dict(files)
    for _ in range(1 + int(dice.random() < 0.3)):
        # Configs are small and say most: as often as all weights and tokenizers together.
        names = sorted(files)
        small = [name for name in names if name.endswith(".json") and len(files[name]) < 20_000] or names
        pool = small if dice.random() < 0.6 else names
        name = pool[int(dice.integers(len(pool)))]
        files[name] = _mutated_file(name, files[name], dice)
        if dice.random() < 0.03:
            del files[name]
        if not files:
            break
    return files


def _mutated_file(name: str, data: bytes, dice: np.random.Generator) -> bytes:
    if dice.random() < 0.2:
        return corrupt(data, dice)
    try:
        if name.endswith(".json"):
            return mutated_json(data, dice)
        if name.endswith(".safetensors"):
            return _safetensors(mutated_arrays(_tensors(data), dice))
        if name.endswith(".npz"):
            with np.load(io.BytesIO(data)) as archive:
                return _npz(mutated_arrays(dict(archive), dice))
    except Exception:  # damaged already
        return corrupt(data, dice)
    return corrupt(data, dice)


def attempt(
    originals: Files, case: int, dice: np.random.Generator, folder: Path, *, peers: bool = True
) -> str:
    """Imports a mutated folder, and asks its own project what it encodes; case 0 is the folder as it was."""
    from vlp.configuration import completed
    from vlp.interop.imported import import_model

    source = folder / "theirs"
    source.mkdir()
    for name, data in (mutated(originals, dice) if case else originals).items():
        (source / name).write_bytes(data)
    try:
        imported = import_model(source, {**completed({})["interop"], "unpickle": True})
    except (ValueError, OSError) as error:
        assert case, f"the original is refused: {error}"
        assert len(str(error)) < 3000, f"a message of {len(str(error))} characters: {str(error)[:200]}"
        return "refused"
    rows = encoded(imported)
    if not all(np.isfinite(part).all() for part in rows):
        raise AssertionError("imported, and its embeddings are no numbers")
    theirs = rows_of_peer(source, imported, TEXTS, pictures()) if peers else None
    if theirs is None:
        return "imported"
    apart = max(float(np.abs(ours - other).max()) for ours, other in zip(rows, theirs, strict=True))
    if not apart < 1e-3:
        raise AssertionError(f"imported, and its embeddings are {apart:.3g} from the peer's")
    return "imported, as the peer reads it"


def pictures() -> list[Any]:
    from PIL import Image

    dice = np.random.default_rng(1)
    return [Image.fromarray(dice.integers(0, 256, (40, 56, 3), np.uint8)), Image.new("RGB", (32, 32), "red")]


_KNOWN: dict[str, Any] = {}  # models by settings: what is compiled serves other weights


def encoded(imported: Any) -> tuple[np.ndarray, ...]:
    """Rows of pictures and of texts; of a tower by itself its own."""
    import jax
    from flax import nnx
    from ml_collections import FrozenConfigDict

    from vlp.configuration import completed
    from vlp.model import Model
    from vlp.models.compute import Compute
    from vlp.models.dual_encoder import DualEncoder
    from vlp.models.families import TOWERS
    from vlp.models.variables import merged

    config, tokenizer = FrozenConfigDict(completed(imported.config)), imported.tokenizer
    variables = jax.device_put(merged(*(part["model"] for part in imported.variables.values())))
    towers = [tower for tower in TOWERS if tower in variables]
    key = json.dumps(
        [
            towers,
            imported.config["model"],
            tokenizer.vocabulary_size,
            tokenizer.length,
            imported.preprocessing,
        ]
    )
    if key not in _KNOWN:
        graph = nnx.graphdef(
            nnx.eval_shape(
                lambda: DualEncoder(
                    config.model,
                    vocabulary_size=tokenizer.vocabulary_size,
                    length=tokenizer.length,
                    compute=Compute(),
                    rngs=nnx.Rngs(0),
                    towers=towers,
                )
            )
        )
        _KNOWN[key] = Model(
            graph, variables, config=config, preprocessing=imported.preprocessing, tokenizer=tokenizer
        )
    ours = _KNOWN[key].with_variables(variables)
    rows = (ours.encode_image(pictures()),) if "image" in towers else ()
    return (*rows, ours._encode("text", *tokenizer.encode(TEXTS))) if "text" in towers else rows


ORIGINALS = (clip, clip_words, siglip, siglip_pieces, shards, open_clip, pickle, big_vision, bert, dinov2)
KINDS = {make.__name__: harness.Kind(make, attempt, memory=24 * harness.GIGABYTE) for make in ORIGINALS}

if __name__ == "__main__":
    sys.exit(harness.main(KINDS, __doc__, cases=250))
