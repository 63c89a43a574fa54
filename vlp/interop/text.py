"""Tokenizers of other projects' folders: read so that ids come out exactly as they do there."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.tokenizers import Tokenizer, load_tokenizer
from input_pipeline.tokenizers.wordpiece import vocabulary_lines, wordpiece_json
from vlp.interop import fields
from vlp.interop.bert_tokenizer import byte_level_json
from vlp.interop.tokenizer_files import OPEN_CLIP, read_json, write_tokenizer
from vlp.interop.tokenizer_json import (
    CLIP_BEGIN,
    CLIP_END,
    clip_json,
    gemma_json,
    nllb_json,
    t5_json,
    xlm_json,
)

__all__ = ["FAMILIES", "tokenizer_of", "write_tokenizer"]

CLIP_LENGTH, SIGLIP_LENGTH, BERT_LENGTH = 77, 64, 512
_CLIP_VOCABULARY = "data/tokenizers/clip"
_SIGLIP_MODELS = (
    "gs://t5-data/vocabs/cc_en.32000/sentencepiece.model (SigLIP), gs://t5-data/vocabs/mc4.250000.100extra/"
    "sentencepiece.model (SigLIP i18n), gs://big_vision/gemma_tokenizer.model (SigLIP 2)"
)


def tokenizer_of(folder: Path, family: str, *, length: int | None = None) -> Tokenizer:
    """Returns the tokenizer of a folder of another project's files, self-contained: its spec and bytes need no folder.

    Text that looks like a special token stays text here, as everywhere in this project; everything else becomes the
    ids that the project itself makes.

    Args:
      folder: of the files.
      family: a name in FAMILIES.
      length: ids in a row; None = what the files say, else 77 (CLIP) or 64 (SigLIP).

    Raises:
      ValueError: a file is missing, says something that is not supported, or needs ftfy where that is not installed.
    """
    if family not in FAMILIES:
        raise UserError(f"family '{family}' is not one of {', '.join(FAMILIES)}")
    return FAMILIES[family](Path(folder), length)


def _huggingface_clip(folder: Path, length: int | None) -> Tokenizer:
    return _huggingface(folder, length or _text_length(folder, CLIP_LENGTH), default="CLIPTokenizer")


def _huggingface_siglip(folder: Path, length: int | None) -> Tokenizer:
    return _huggingface(folder, length or _text_length(folder, SIGLIP_LENGTH), default="SiglipTokenizer")


def _huggingface_siglip2(folder: Path, length: int | None) -> Tokenizer:
    return _huggingface(folder, length or _text_length(folder, SIGLIP_LENGTH), default="Siglip2Tokenizer")


def _bert(folder: Path, length: int | None) -> Tokenizer:
    """BERT's WordPiece; RoBERTa's and others' classes are named in their folders."""
    return _huggingface(folder, length or BERT_LENGTH, default="BertTokenizer")


def _open_clip(folder: Path, length: int | None) -> Tokenizer:
    """By `open_clip.get_tokenizer`: its own byte-pair encoding, or a Hugging Face tokenizer behind its cleaning."""
    path, where = folder / OPEN_CLIP, f"{OPEN_CLIP}: model_cfg."
    text = fields.part(fields.part(read_json(path), "model_cfg", where), "text_cfg", where)
    options = dict(fields.part(text, "tokenizer_kwargs", f"{where}text_cfg."))
    clean = options.pop("clean", "whitespace" if text.get("hf_tokenizer_name") else "lower")
    clean = "ftfy_" + fields.words(clean, f"{where}text_cfg.tokenizer_kwargs.clean")
    strip = options.pop("strip_sep_token", False)
    length = length or options.pop("context_length", None) or text.get("context_length", CLIP_LENGTH)
    if text.get("tokenizer_mode"):
        options["tokenizer_mode"] = text["tokenizer_mode"]
    if options:
        raise UserError(
            f"{folder}: open_clip's tokenizer settings {options} change ids in a way that is not supported"
        )
    if not text.get("hf_tokenizer_name"):
        return _original_clip(length, clean)
    return _huggingface(folder, length, default="", clean=clean, strip_end=strip)


def _openai(folder: Path, length: int | None) -> Tokenizer:
    return _original_clip(length or CLIP_LENGTH, "ftfy_lower")


def _big_vision(folder: Path, length: int | None) -> Tokenizer:
    """SigLIP's SentencePiece model beside the weights; a Gemma one is SigLIP 2's."""
    from sentencepiece import SentencePieceProcessor

    found = sorted(folder.glob("*.model"))
    if len(found) != 1:
        raise UserError(
            f"{folder} has {len(found)} files *.model, and needs the one of the weights' vocabulary beside them: "
            f"{_SIGLIP_MODELS}"
        )
    try:
        processor = SentencePieceProcessor(model_proto=found[0].read_bytes())
    except RuntimeError as error:
        raise UserError(f"{found[0]} is no SentencePiece model: {error}") from None
    gemma = processor.eos_id() >= 0 and processor.id_to_piece(processor.eos_id()) == "<eos>"
    return _load(
        "sentencepiece",
        found[0],
        length or SIGLIP_LENGTH,
        special_tokens="begin=,end=<eos>,pad=<pad>" if gemma else "begin=,end=</s>,pad=</s>",
        clean="lower" if gemma else "ascii_lower",
    )


FAMILIES: Mapping[str, Callable[[Path, int | None], Tokenizer]] = {
    "huggingface_clip": _huggingface_clip,
    "huggingface_siglip": _huggingface_siglip,
    "huggingface_siglip2": _huggingface_siglip2,
    "huggingface_naflex": _huggingface_siglip2,
    "open_clip": _open_clip,
    "openai": _openai,
    "big_vision": _big_vision,
    "bert": _bert,
}


def _original_clip(length: int, clean: str) -> Tokenizer:
    return load_tokenizer(
        {"kind": "clip", "path": _CLIP_VOCABULARY, "length": length, "vocabulary_size": 0, "clean": clean}
    )


def _load(kind: str, path: Path, length: int, **settings: str) -> Tokenizer:
    return load_tokenizer(
        {"kind": kind, "path": str(path), "length": length, "vocabulary_size": 0, **settings}
    )


def _settings(folder: Path) -> dict[str, Any]:
    """What is said of a tokenizer. As transformers has it, the older file of special tokens counts more than the
    settings, but not at all where these list the tokens that were added."""
    settings = read_json(folder / "tokenizer_config.json", {})
    if "added_tokens_decoder" in settings:
        return settings
    return {**settings, **read_json(folder / "special_tokens_map.json", {})}


def _huggingface(
    folder: Path, length: int, *, default: str, clean: str = "none", strip_end: bool = False
) -> Tokenizer:
    """What `AutoTokenizer.from_pretrained` reads; `default` is the class where the folder names none."""
    settings = _settings(folder)
    name = fields.words(
        settings.get("tokenizer_class") or default, f"{folder}: tokenizer_class"
    ).removesuffix("Fast")
    if default == "Siglip2Tokenizer" and name == "GemmaTokenizer":
        name = default
    _check_sides(folder, settings)
    said = settings.get("model_max_length")
    if default and isinstance(said, int) and said < length:  # open_clip gives its own length to every call
        raise UserError(
            f"{folder}: model_max_length={said} cuts texts that the model has {length} positions for: write the same "
            "number in both places"
        )
    if name == "SiglipTokenizer" and (folder / "spiece.model").is_file():
        return _siglip(folder, length, settings)
    data, padding = _pipeline(folder, name, settings)
    special = _around(settings, padding, strip_end)
    try:
        return _tokenizer_of_json(data, length, special_tokens=special, clean=clean)
    except ValueError as error:
        raise UserError(f"the tokenizer in {folder}: {error}") from None


def _check_sides(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raises ValueError where texts are cut or padded on the left: by the settings, else by tokenizer.json."""
    content = read_json(folder / "tokenizer.json", {})
    for side, section in (("padding_side", "padding"), ("truncation_side", "truncation")):
        direction = str(fields.part(content, section, f"{folder}/tokenizer.json: ").get("direction", "right"))
        said = settings.get(side) or direction.lower()
        if said != "right":
            raise UserError(f"{folder}: {side}={reprlib.repr(said)} is not supported, only 'right'")


def _tokenizer_of_json(data: bytes, length: int, *, special_tokens: str, clean: str) -> Tokenizer:
    """A tokenizer of the bytes of a tokenizer.json."""
    from input_pipeline.tokenizers.huggingface import HuggingFaceTokenizer

    return HuggingFaceTokenizer(data, length, special_tokens=special_tokens, clean=clean)


def _siglip(folder: Path, length: int, settings: Mapping[str, Any]) -> Tokenizer:
    if not settings.get("do_lower_case", True):
        raise UserError(f"{folder}: do_lower_case=False is not supported: SigLIP's texts are lower case")
    if settings.get("legacy", True) is False:
        raise UserError(f"{folder}: legacy=False is not supported in a SigLIP tokenizer")
    end, pad = (_content(settings.get(role, "</s>")) for role in ("eos_token", "pad_token"))
    special = f"begin=,end={end},pad={pad}"
    return _load("siglip", folder / "spiece.model", length, special_tokens=special)


def _pipeline(folder: Path, name: str, settings: Mapping[str, Any]) -> tuple[bytes, str]:
    """The tokenizer.json of what transformers builds for a class of tokenizers, and what it pads with."""
    path = folder / "tokenizer.json"
    if name == "CLIPTokenizer":
        roles = {
            "begin": ("bos_token", CLIP_BEGIN),
            "end": ("eos_token", CLIP_END),
            "unknown": ("unk_token", CLIP_END),
        }
        tokens = {role: _content(settings.get(key)) or usual for role, (key, usual) in roles.items()}
        try:
            vocabulary, merges = _clip_vocabulary(folder)
            return clip_json(vocabulary, merges, **tokens), CLIP_END
        except ValueError as error:
            raise UserError(f"the tokenizer in {folder}: {error}") from None
    if name == "BertTokenizer" and not path.is_file() and (folder / "vocab.txt").is_file():
        return wordpiece_json(_lines(folder / "vocab.txt"), settings), "[PAD]"
    if name == "RobertaTokenizer" and not path.is_file() and (folder / "vocab.json").is_file():
        return byte_level_json(*_clip_vocabulary(folder)), "<pad>"
    if not path.is_file():
        raise UserError(f"{folder} has no tokenizer.json, which a tokenizer of the class '{name}' needs here")
    if name == "Siglip2Tokenizer":
        return gemma_json(read_json(path)), "<pad>"
    if name == "T5Tokenizer":
        return t5_json(read_json(path)), "<pad>"
    if name in ("XLMRobertaTokenizer", "NllbTokenizer"):
        return _own_template(folder, name, settings), "<pad>"
    return path.read_bytes(), ""


def _own_template(folder: Path, name: str, settings: Mapping[str, Any]) -> bytes:
    """The tokenizer.json of a class that says itself what goes around a text, whatever the file does."""
    if settings.get("legacy_behaviour"):
        raise UserError(
            f"{folder}: legacy_behaviour=True is not supported: its texts end with their language"
        )
    end, pad = (
        _content(settings.get(f"{role}_token") or token)
        for role, token in (("eos", "</s>"), ("pad", "<pad>"))
    )
    if name == "NllbTokenizer":
        language = fields.words(settings.get("src_lang") or "eng_Latn", f"{folder}: src_lang")
        build, begin = nllb_json, language
    else:
        build, begin = xlm_json, _content(settings.get("bos_token") or "<s>")
    try:
        return build(read_json(folder / "tokenizer.json"), begin, end, pad)
    except ValueError as error:
        raise UserError(f"the tokenizer in {folder}: {error}") from None


def _lines(path: Path) -> list[str]:
    try:
        return vocabulary_lines(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is no text: {error}") from None


def _clip_vocabulary(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    path, older = folder / "tokenizer.json", (folder / "vocab.json", folder / "merges.txt")
    merges: Any
    if path.is_file():
        content, where = read_json(path), f"{path}: "
        model = fields.part(content, "model", where)
        vocabulary, merges = fields.part(model, "vocab", f"{where}model."), model.get("merges")
        vocabulary = vocabulary | _added(content, where)
    elif all(file.is_file() for file in older):
        vocabulary = read_json(older[0])
        lines = older[1].read_text(encoding="utf-8").split("\n")
        merges = [line for line in lines if line and not line.startswith("#version")]
    else:
        raise UserError(f"{folder} has neither tokenizer.json nor vocab.json and merges.txt")
    return vocabulary, _pairs(merges)


def _added(content: Mapping[str, Any], where: str) -> dict[str, int]:
    """The ids of tokens beside the vocabulary."""
    tokens = content.get("added_tokens") or []
    if not isinstance(tokens, list) or not all(isinstance(token, dict) for token in tokens):
        raise fields.refused(f"{where}added_tokens", tokens, "a list of tokens")
    named = ((token.get("content"), token.get("id")) for token in tokens)
    return {fields.words(name, f"{where}added_tokens.content"): place for name, place in named}


def _pairs(merges: Any) -> list[tuple[str, str]]:
    lines = merges if isinstance(merges, list) else [merges]
    pairs = [tuple(line.split(" ")) if isinstance(line, str) else line for line in lines]
    for line, pair in zip(lines, pairs, strict=True):
        if not isinstance(pair, (list, tuple)) or [type(piece) for piece in pair] != [str, str]:
            raise UserError(f"the merge {reprlib.repr(line)} is no pair of pieces")
    return [(first, second) for first, second in pairs]


def _around(settings: Mapping[str, Any], padding: str, strip_end: bool) -> str:
    """`special_tokens` of a tokenizer.json: what its own template does not say.

    The template alone says what goes around a text: transformers does not follow the settings' `add_bos_token` and
    `add_eos_token` where there is a tokenizer.json, and CLIP's tokenizer never does.
    """
    end = ["end=[PAD]"] if strip_end else []  # open_clip writes id 0 over the end token
    pad = _content(settings.get("pad_token") or padding)
    return ",".join([*end, *([f"pad={pad}"] if pad else [])])


def _content(token: Any) -> str:
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")


def _text_length(folder: Path, default: int) -> int:
    """Ids in a row: as many as the model has text positions, else what the tokenizer says if it says anything."""
    text = fields.part(read_json(folder / "config.json", {}), "text_config", "config.json: ")
    if positions := text.get("max_position_embeddings"):
        return fields.whole(positions, "config.json: text_config.max_position_embeddings")
    said = read_json(folder / "tokenizer_config.json", {}).get("model_max_length", default)
    return said if isinstance(said, int) and said <= 100_000 else default
