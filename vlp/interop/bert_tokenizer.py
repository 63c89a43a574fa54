"""The pipelines of `tokenizers` for BERT's vocab.txt and RoBERTa's vocab.json, where a folder has no tokenizer.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Pipeline

from input_pipeline.errors import UserError
from input_pipeline.tokenizers.huggingface import check_vocabulary


def wordpiece_json(pieces: Sequence[str], settings: Mapping[str, Any]) -> bytes:
    """Returns BERT's WordPiece (arXiv 1810.04805) of a vocab.txt as the bytes of a tokenizer.json.

    Args:
      pieces: a line each, whose place is the id.
      settings: of tokenizer_config.json: `do_lower_case` and what goes with it.

    Raises:
      ValueError: one of the tokens around a text is not there, a piece stands there twice, or a setting is no switch.
    """
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    names = _named(vocabulary, "vocab.txt", ("[CLS]", "[SEP]", "[PAD]", "[UNK]"))
    if len(vocabulary) != len(pieces):
        raise UserError(
            f"vocab.txt has {len(pieces)} lines and {len(vocabulary)} pieces: one stands there twice"
        )
    pipeline = Pipeline(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    pipeline.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=_switch(settings, "tokenize_chinese_chars", default=True),
        strip_accents=_switch(settings, "strip_accents", default=None),
        lowercase=_switch(settings, "do_lower_case", default=True),
    )
    pipeline.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pipeline.decoder = decoders.WordPiece(prefix="##")
    pipeline.add_special_tokens([name for name in (*names, "[MASK]") if name in vocabulary])
    around = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    pipeline.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, around)
    return pipeline.to_str().encode()


def byte_level_json(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> bytes:
    """Returns RoBERTa's byte-pair encoding (arXiv 1907.11692) of a vocab.json and its merges as a tokenizer.json.

    Raises:
      ValueError: a token is missing, or the merges are not those of the vocabulary.
    """
    check_vocabulary(vocabulary)
    names = _named(vocabulary, "vocab.json", ("<s>", "</s>", "<pad>", "<unk>"))
    try:
        pipeline = Pipeline(models.BPE(dict(vocabulary), list(merges)))
    except Exception as error:  # the library raises nothing more precise
        raise UserError(f"vocabulary and merges do not fit: {error}") from None
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pipeline.decoder = decoders.ByteLevel()
    # What stands before a mask belongs to it.
    masks = [AddedToken("<mask>", lstrip=True, special=True)] if "<mask>" in vocabulary else []
    pipeline.add_special_tokens([*names, *masks])
    end, begin = (("</s>", vocabulary["</s>"]), ("<s>", vocabulary["<s>"]))
    pipeline.post_processor = processors.RobertaProcessing(
        end, begin, trim_offsets=True, add_prefix_space=False
    )
    return pipeline.to_str().encode()


def _switch(settings: Mapping[str, Any], name: str, *, default: bool | None) -> bool | None:
    value = settings.get(name, default)
    if value is not default and not isinstance(value, bool):
        raise UserError(f"tokenizer_config.json: {name}={value!r} must be true or false")
    return value


def _named(vocabulary: Mapping[str, int], file: str, names: tuple[str, ...]) -> tuple[str, ...]:
    missing = [name for name in names if name not in vocabulary]
    if missing:
        raise UserError(f"{file} has no token {', '.join(missing)}")
    return names
