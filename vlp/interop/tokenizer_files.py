"""Our tokenizers as the files that `transformers` and `open_clip` read by their ordinary call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.tokenizers.clip import ClipTokenizer
from vlp.interop.tokenizer_json import CLIP_BEGIN, CLIP_END, clip_json, sentencepiece_json

SIGLIPS = ("huggingface_siglip", "huggingface_siglip2", "huggingface_naflex")
WRITABLE = ("huggingface_clip", *SIGLIPS, "open_clip")
CLIP_SIZE = 49_408
OPEN_CLIP = "open_clip_config.json"


def write_tokenizer(tokenizer: Tokenizer, folder: Path, family: str) -> list[str]:
    """Writes the tokenizer's files; in the family 'open_clip' also its part of open_clip_config.json.

    Args:
      tokenizer: to write.
      folder: an existing folder; open_clip_config.json is added to where it is there.
      family: a name in WRITABLE.

    Returns:
      what the files cannot say: sentences for the user, none if all ids come out the same there.

    Raises:
      ValueError: nothing in that family stands for such a tokenizer.
    """
    if family not in WRITABLE:
        raise UserError(f"no tokenizer is written for '{family}', only for {', '.join(WRITABLE)}")
    folder = Path(folder)
    notes = []
    if tokenizer.prefix_tokens:
        notes.append(f"prefix tokens ({', '.join(tokenizer.prefix_tokens)}) are left out: no peer has them")
    write = _write_open_clip if family == "open_clip" else _write_huggingface
    notes += write(tokenizer, folder)
    if family in SIGLIPS:  # its text tower reads padding like any other token
        update_json(folder / "tokenizer_config.json", {"model_input_names": ["input_ids"]})
    return notes


def _write_open_clip(tokenizer: Tokenizer, folder: Path) -> list[str]:
    spec = tokenizer.spec
    clean = spec["clean"].removeprefix("ftfy_") if spec["clean"].startswith("ftfy_") else ""
    text: dict[str, Any] = {"context_length": tokenizer.length}
    notes = (
        [] if clean else ["open_clip mends every text with ftfy first, which changes the ids of few texts"]
    )
    if spec["kind"] == "clip":
        _check_standard(tokenizer)
        if clean not in ("", "lower"):
            text["tokenizer_kwargs"] = {"clean": clean}
    else:
        notes += _write_huggingface(tokenizer, folder)
        text |= {"hf_tokenizer_name": folder.name, "tokenizer_kwargs": {"clean": clean or "whitespace"}}
        if "end=[PAD]" in spec["special_tokens"]:
            text["tokenizer_kwargs"]["strip_sep_token"] = True
    update_json(folder / OPEN_CLIP, {"model_cfg": {"text_cfg": text}})
    return notes


def _check_standard(tokenizer: Tokenizer) -> None:
    size = tokenizer.vocabulary_size - len(tokenizer.prefix_tokens)
    if size != CLIP_SIZE:
        raise UserError(
            f"open_clip's own tokenizer has CLIP's {CLIP_SIZE} ids, this one of kind 'clip' has {size}: export it as "
            "--format=huggingface"
        )


def _write_huggingface(tokenizer: Tokenizer, folder: Path) -> list[str]:
    spec, data = tokenizer.spec, tokenizer.to_bytes()
    if spec["kind"] == "siglip":
        (folder / "spiece.model").write_bytes(data)
        (folder / "tokenizer.json").unlink(missing_ok=True)
        _write_config(tokenizer, folder, "SiglipTokenizer", _piece, do_lower_case=True)
        return []
    notes = []
    if isinstance(tokenizer, ClipTokenizer):
        notes = [
            "transformers pads CLIP's texts with the end token where this model pads with 0, and mends no text: "
            "a causal text tower does not see its padding"
        ]
        data = clip_json(*tokenizer.vocabulary_and_merges(CLIP_BEGIN, CLIP_END))
    elif spec["kind"] == "sentencepiece":
        data = sentencepiece_json(data, tokenizer.special, spec["clean"])
    (folder / "tokenizer.json").write_bytes(data)
    clip = _write_clip_files(data, folder)
    _write_config(tokenizer, folder, "CLIPTokenizer" if clip else "PreTrainedTokenizerFast", _token(data))
    return notes


def _write_clip_files(data: bytes, folder: Path) -> bool:
    """vocab.json and merges.txt, which older readers of CLIP's tokenizers want; False if it is no such tokenizer."""
    content = json.loads(data)
    vocabulary = content["model"].get("vocab")
    if content["model"].get("end_of_word_suffix") != "</w>" or CLIP_END not in vocabulary:
        return False
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    return True


def _write_config(tokenizer: Tokenizer, folder: Path, name: str, token: Any, **settings: Any) -> None:
    pad, begin, end = tokenizer.special
    if name == "CLIPTokenizer" and pad == 0:
        pad = end  # '!' is no special token there: naming it one would change the ids of texts
    roles = {"pad_token": pad, "bos_token": begin, "eos_token": end}
    tokens = {role: token(tokenizer, place) for role, place in roles.items() if place is not None}
    unknown = {"unk_token": CLIP_END} if name == "CLIPTokenizer" else {}
    special = {**tokens, **unknown}
    config = {
        "tokenizer_class": name,
        "model_max_length": tokenizer.length,
        "padding_side": "right",
        "clean_up_tokenization_spaces": False,
        **special,
        **settings,
    }
    _dump(folder / "tokenizer_config.json", config)
    _dump(folder / "special_tokens_map.json", special)


def _piece(tokenizer: Tokenizer, place: int) -> str:
    from sentencepiece import SentencePieceProcessor

    return str(SentencePieceProcessor(model_proto=tokenizer.to_bytes()).id_to_piece(place))


def _token(data: bytes) -> Any:
    from tokenizers import Tokenizer as Pipeline

    pipeline = Pipeline.from_buffer(data)
    return lambda tokenizer, place: pipeline.id_to_token(place)


def read_json(path: Path, missing: dict[str, Any] | None = None) -> dict[str, Any]:
    """Reads the JSON object in a file, or returns `missing` where there is no file.

    Raises:
      ValueError: there is no file and nothing to take its place, or it holds no JSON object.
    """
    if not path.is_file():
        if missing is None:
            raise UserError(f"{path.parent} has no {path.name}")
        return missing
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested too deeply
        raise UserError(f"{path} holds no JSON that can be read: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object")
    return content


def update_json(path: Path, content: dict[str, Any]) -> None:
    """Adds to the JSON object in a file, level by level; a new file where there is none."""
    _dump(path, _merged(read_json(path, {}), content))


def _merged(there: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    deeper = {
        key: _merged(there[key], value)
        for key, value in content.items()
        if isinstance(value, dict) and isinstance(there.get(key), dict)
    }
    return {**there, **content, **deeper}


def _dump(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
