"""The pipelines of `tokenizers` that stand for other projects' tokenizers, as the bytes of a tokenizer.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Pipeline

from input_pipeline.errors import UserError
from input_pipeline.tokenizers.huggingface import check_vocabulary
from input_pipeline.tokenizers.special import SpecialIds

CLIP_BEGIN, CLIP_END = "<|startoftext|>", "<|endoftext|>"
_CLIP_SPLIT = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_NOT_TEXT = "[\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f\\x{feff}]"  # as input_pipeline.records.clean_text
_METASPACE = {"replacement": "\u2581", "prepend_scheme": "always", "split": True}
_UNIGRAM = 1  # sentencepiece's TrainerSpec.ModelType
_UPPER_TO_LOWER = [(chr(code), chr(code + 32)) for code in range(ord("A"), ord("Z") + 1)]


def clip_json(
    vocabulary: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    *,
    begin: str = CLIP_BEGIN,
    end: str = CLIP_END,
    unknown: str = CLIP_END,
) -> bytes:
    """Returns CLIP's byte-pair encoding as `transformers.CLIPTokenizer` runs it: NFC, lower case, no repair of the
    text.

    Raises:
      ValueError: a token is missing, or the merges are not those of the vocabulary.
    """
    check_vocabulary(vocabulary)
    for name in (begin, end):
        if name not in vocabulary:
            raise UserError(f"the vocabulary has no token {name}")
    try:
        model = models.BPE(
            dict(vocabulary),
            list(merges),
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            fuse_unk=False,
            unk_token=unknown,
        )
    except Exception as error:  # the library raises nothing more precise
        raise UserError(f"vocabulary and merges do not fit: {error}") from None
    pipeline = Pipeline(model)
    pipeline.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pipeline.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_SPLIT), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    pipeline.decoder = decoders.ByteLevel()
    pipeline.add_special_tokens([AddedToken(name, special=True) for name in (begin, end)])
    pipeline.post_processor = processors.RobertaProcessing(
        (end, vocabulary[end]),
        (begin, vocabulary[begin]),
        trim_offsets=False,
        add_prefix_space=False,
    )
    return pipeline.to_str().encode()


def gemma_json(content: Mapping[str, Any]) -> bytes:
    """Returns a Gemma tokenizer.json as SigLIP 2 reads it (`transformers.Siglip2Tokenizer`): lower-cased."""
    content = dict(content)
    content["normalizer"] = {
        "type": "Sequence",
        "normalizers": [
            {"type": "Lowercase"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        ],
    }
    content["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"String": " "},
        "behavior": "MergedWithPrevious",
        "invert": False,
    }
    return _dumped(content)


def t5_json(content: Mapping[str, Any]) -> bytes:
    """Returns a T5 tokenizer.json as `transformers.T5Tokenizer` runs it since version 5, whatever else the file
    says."""
    content = dict(content)
    content["normalizer"] = _precompiled(content.get("normalizer"))
    content["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Metaspace", **_METASPACE},
        ],
    }
    return _dumped(content)


def xlm_json(content: Mapping[str, Any], begin: str, end: str, pad: str) -> bytes:
    """Returns an XLM-R tokenizer.json as `transformers.XLMRobertaTokenizer` runs it since version 5.

    Args:
      content: of the file.
      begin: the token before a text.
      end: the token behind it.
      pad: the token of padding.

    Raises:
      ValueError: the file is no tokenizer, or has no such tokens.
    """
    return _with_template(t5_json(content), begin, end, pad)


def nllb_json(content: Mapping[str, Any], begin: str, end: str, pad: str) -> bytes:
    """Returns an NLLB tokenizer.json as `transformers.NllbTokenizer` runs it since version 5.

    Args:
      content: of the file.
      begin: the token of the language, before a text.
      end: the token behind it.
      pad: the token of padding.

    Raises:
      ValueError: as by `xlm_json`.
    """
    content = dict(content)
    precompiled = _precompiled(content.get("normalizer"))
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    rules = {"type": "Sequence", "normalizers": [precompiled, spaces]}
    content["normalizer"] = rules if precompiled else None
    content["pre_tokenizer"] = {"type": "Metaspace", **_METASPACE}
    return _with_template(_dumped(content), begin, end, pad)


def _with_template(data: bytes, begin: str, end: str, pad: str) -> bytes:
    try:
        pipeline = Pipeline.from_buffer(data)
    except Exception as error:  # the library raises nothing more precise
        raise UserError(f"its tokenizer.json is none: {error}") from None
    tokens = (pad, begin, end)
    places = [place for place in map(pipeline.token_to_id, tokens) if place is not None]
    if len(places) < len(tokens):
        raise UserError(f"its vocabulary lacks one of the tokens {', '.join(tokens)}")
    around(pipeline, SpecialIds(*places))
    return pipeline.to_str().encode()


def _precompiled(normalizer: Any) -> Any:
    parts = normalizer.get("normalizers", [normalizer]) if isinstance(normalizer, dict) else []
    named = (part for part in (parts if isinstance(parts, list) else []) if isinstance(part, dict))
    return next((part for part in named if part.get("type") == "Precompiled"), None)


def sentencepiece_json(data: bytes, special: SpecialIds, clean: str) -> bytes:
    """Returns a SentencePiece unigram model with everything around it: the same ids from the `tokenizers` library.

    Args:
      data: the model's bytes.
      special: what goes around a text.
      clean: what our tokenizer does to a text first, a name of `input_pipeline.tokenizers.cleaning` or ''.

    Raises:
      ValueError: the model is not a unigram model, or nothing in a tokenizer.json does what `clean` says.
    """
    from sentencepiece import sentencepiece_model_pb2

    model = cast(Any, sentencepiece_model_pb2).ModelProto.FromString(data)
    if model.trainer_spec.model_type != _UNIGRAM:
        raise UserError(
            "only a SentencePiece model of type unigram becomes a tokenizer.json, and this is none"
        )
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    unknown = next(place for place, piece in enumerate(model.pieces) if piece.type == piece.UNKNOWN)
    pipeline = Pipeline(models.Unigram(pieces, unknown, model.trainer_spec.byte_fallback))
    rules = [*_cleaning(clean)]
    if charsmap := model.normalizer_spec.precompiled_charsmap:
        # Composed first: the library maps a letter with several marks by its first mark alone, and forgets the rest.
        rules += [normalizers.NFC(), normalizers.Precompiled(charsmap)]
    if model.normalizer_spec.remove_extra_whitespaces:
        rules += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    pipeline.normalizer = normalizers.Sequence(rules)
    scheme = "always" if model.normalizer_spec.add_dummy_prefix else "never"
    pipeline.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    pipeline.decoder = decoders.Metaspace(prepend_scheme=scheme)
    around(pipeline, special)
    return pipeline.to_str().encode()


def around(pipeline: Pipeline, special: SpecialIds) -> None:
    """Puts the begin and end tokens around every text, and makes them and the padding special."""
    names = {place: str(pipeline.id_to_token(place)) for place in special if place is not None}
    pipeline.add_special_tokens(list(names.values()))
    parts = [names[place] for place in (special.begin,) if place is not None]
    pipeline.post_processor = processors.TemplateProcessing(
        " ".join([*parts, "$A", names[special.end]]), None, [(name, place) for place, name in names.items()]
    )


def _cleaning(clean: str) -> list[Any]:
    """What `clean` does, but for ftfy, which a tokenizer.json cannot run."""
    whitespace = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if clean in ("", "ftfy_whitespace"):
        return [normalizers.Replace(Regex(_NOT_TEXT), ""), *whitespace]
    if clean in ("lower", "ftfy_lower"):
        return [normalizers.Lowercase(), *whitespace]
    if clean == "ascii_lower":
        return [normalizers.Replace(upper, lower) for upper, lower in _UPPER_TO_LOWER]
    if clean == "none":
        return []
    raise UserError(f"no tokenizer.json cleans a text as '{clean}' does")


def _dumped(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()
