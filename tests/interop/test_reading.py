"""Where a text is read: at the token that its tokenizer has put at its end, or nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from test_import_and_export import (
    clip_folder,
    configured,
    huggingface,
    imported,
    open_clip,
    open_clip_folder,
    pairs,
    peers_rows,
    same,
    shaken,
    torch,
)

from main import main

__all__ = ["clip_folder", "open_clip", "pairs"]


def refusal(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["--job=import", f"--source={source}", f"--workdir={tmp_path / 'ours'}"]) == 2
    assert not (tmp_path / "ours").exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (
            1,
            "text_config.eos_token_id=1: texts are read at their first token 1, but the tokenizer ends them with 3",
        ),
        (2, "texts are read at their highest id, but the tokenizer ends them with 3 of 2000 ids"),
        (-1, "eos_token_id=-1 is not supported"),
        ([3], r"eos_token_id=[3] is not supported"),
    ],
)
def test_another_end_of_a_clip_model_is_refused(
    end: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = huggingface(tmp_path / "theirs", "clip", {})
    configured(folder, text_config__eos_token_id=end)
    assert message in refusal(folder, tmp_path, capsys)


def test_a_siglip_model_is_read_at_its_last_token_whatever_its_end(tmp_path: Path) -> None:
    folder = huggingface(tmp_path / "theirs", "siglip", {})
    configured(folder, text_config__eos_token_id=1)
    imported(folder, tmp_path / "ours")


def clip_vocabulary(folder: Path, length: int) -> Path:
    """A tokenizer of CLIP's whose end is the highest id, in the place of the one there."""
    letters = [chr(97 + place) for place in range(26)]
    names = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {name: place for place, name in enumerate(names)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer.json").unlink()
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": length}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").unlink()
    return folder


def with_rows(folder: Path, rows: int, **text: Any) -> Path:
    """The same model with fewer ids."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    name = "text_model.embeddings.token_embedding.weight"
    tensors[name] = np.ascontiguousarray(tensors[name][:rows])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    configured(
        folder, **{f"text_config__{key}": value for key, value in {"vocab_size": rows, **text}.items()}
    )
    return folder


@pytest.mark.parametrize("end", [2, 53])
def test_both_ways_to_say_the_end_are_the_peer_s(end: int, pairs: Any, tmp_path: Path) -> None:
    folder = clip_vocabulary(huggingface(tmp_path / "theirs", "clip", {}), 16)
    with_rows(folder, 54, eos_token_id=end, bos_token_id=52)
    texts = ["a cat", "z", "the quick brown fox jumps over the lazy dog"] * 2
    rows = peers_rows(folder, pairs[0], texts, max_length=16)
    same(imported(folder, tmp_path / "ours"), rows, pairs[0], texts)


def test_a_tokenizer_whose_end_is_its_beginning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = with_rows(clip_vocabulary(huggingface(tmp_path / "theirs", "clip", {}), 16), 54, eos_token_id=53)
    configured(folder, "tokenizer_config.json", bos_token="<|endoftext|>")
    assert "would all be read alike" in refusal(folder, tmp_path, capsys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"pool_type": "argmax"}, "text_cfg.pool_type='argmax': texts are read at their highest id"),
        ({"pool_type": "eos"}, "text_cfg.eos_id=2: texts are read at their first token 2"),
        ({"pool_type": "eos", "eos_id": 1999}, "ends them with 3"),
        ({"context_length": 12}, "the config says 12 tokens in a text, but the weights have 16"),
        ({"vocab_size": 1999}, "the config says 1999 ids, but the weights have 2000"),
    ],
)
def test_another_reading_of_an_open_clip_model_is_refused(
    text: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], open_clip: Any
) -> None:
    folder = open_clip_folder(tmp_path / "theirs", "clip", open_clip)
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    said = config["model_cfg"]["text_cfg"]
    said.pop("eos_id")
    path.write_text(
        json.dumps({**config, "model_cfg": {**config["model_cfg"], "text_cfg": {**said, **text}}})
    )
    assert message in refusal(folder, tmp_path, capsys)


def test_weights_alone_do_not_say_their_activation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], open_clip: Any
) -> None:
    """An OpenCLIP model has the exact GELU, OpenAI's has another, and their shapes are the same."""
    tower = {"layers": 1, "width": 64}
    model = shaken(
        open_clip.CLIP(
            32, {**tower, "patch_size": 16, "image_size": 32}, {**tower, "heads": 1, "context_length": 16}
        )
    )
    tensors = {name: tensor.contiguous().numpy() for name, tensor in model.state_dict().items()}
    save_file(tensors, tmp_path / "open_clip_model.safetensors")
    message = refusal(tmp_path / "open_clip_model.safetensors", tmp_path, capsys)
    assert "GELU or QuickGELU" in message and "open_clip_config.json" in message
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{k}": torch.from_numpy(v) for k, v in tensors.items()}},
        tmp_path / "epoch_3.pt",
    )
    (tmp_path / "open_clip_model.safetensors").unlink()
    flags = [
        f"--source={tmp_path / 'epoch_3.pt'}",
        f"--workdir={tmp_path / 'ours'}",
        "--config.interop.unpickle=True",
    ]
    assert main(["--job=import", *flags]) == 2
    assert "GELU or QuickGELU" in capsys.readouterr().err


def test_what_a_config_does_not_say_is_not_checked() -> None:
    from vlp.interop.reading import Reading, check_sizes

    leaves = {"text/position/embedding": np.zeros((16, 4)), "text/embedding/embedding": np.zeros((10, 4))}
    check_sizes(Reading(), leaves)
    check_sizes(Reading(16, 10), leaves)
    for reading, message in (
        (Reading(0, 9), "says 9 ids, but the weights have 10"),
        (Reading(17, 0), "17 tokens"),
    ):
        with pytest.raises(ValueError, match=message):
            check_sizes(reading, leaves)
