"""From texts to tokens."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, natural

CLEANERS = ("", "none", "lower", "ascii_lower", "ftfy_whitespace", "ftfy_lower", "ftfy_canonicalize")

SETTINGS = {
    "kind": Setting("sentencepiece", "of input_pipeline/tokenizers, or your own package.module:Class"),
    "path": Setting("data/quickstart/tokenizer.model", "its file or folder"),
    "length": Setting(32, "tokens per caption; longer captions are cut", at_least=3, at_most=1 << 20),
    "vocabulary_size": natural(0, "0 = take it from the file, else checked against the file"),
    "special_tokens": Setting("", "as 'begin=<s>,end=</s>,pad=<pad>'; '' = what the file says"),
    "clean": Setting("", "what is done to a text first; '' = what the kind does", choices=CLEANERS),
    "prefix_tokens": Setting((), "names of ids to append, one of which may stand before a text"),
}


def check(tokenizer: Any, config: Any, where: str) -> None:
    """Checks that CLIP's own tokenizer has its special tokens."""
    if tokenizer.special_tokens and tokenizer.kind == "clip":
        raise ValueError(
            f"{where}.special_tokens='{tokenizer.special_tokens}' is for other kinds; the special tokens of "
            "'clip' are fixed: leave it empty"
        )
