"""The pipeline of `tokenizers` for RoBERTa's vocab.json, where a folder has no tokenizer.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tokenizers import AddedToken, decoders, models, pre_tokenizers, processors
from tokenizers import Tokenizer as Pipeline

from input_pipeline.errors import UserError
from input_pipeline.tokenizers.huggingface import check_vocabulary


def byte_level_json(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> bytes:
    """Returns RoBERTa's byte-pair encoding (arXiv 1907.11692) of a vocab.json and its merges as a tokenizer.json.

    Raises:
      ValueError: a token is missing, or the merges are not those of the vocabulary.
    """
    check_vocabulary(vocabulary)
    names = ("<s>", "</s>", "<pad>", "<unk>")
    if missing := [name for name in names if name not in vocabulary]:
        raise UserError(f"vocab.json has no token {', '.join(missing)}")
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
