"""Train a tokenizer on the captions of the config's sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from input_pipeline.records import BadRecord
from input_pipeline.sources import open_named
from input_pipeline.subsets import entry_records
from input_pipeline.tokenizers import load_tokenizer, train_tokenizer
from input_pipeline.tokenizers.wordpiece import train_wordpiece
from input_pipeline.views.text import TextView
from vlp.configuration import ConfigError
from vlp.jobs import JobOptions
from vlp.runs.startup import configuring

NEEDS = ("sources",)
WRITES = ("file",)
TRAINERS = {"sentencepiece": train_tokenizer, "wordpiece": train_wordpiece}


def run(options: JobOptions) -> int:
    """Writes a SentencePiece model, or a WordPiece vocab.txt, to `--output` and prints how well it fits the captions.

    Raises:
      ConfigError: no output, no vocabulary size, or captions that do not support it.
    """
    config, size = options.config, options.config.tokenizer.vocabulary_size
    if config.tokenizer.kind not in TRAINERS:
        raise ConfigError(
            f"--job=tokenizer trains kind {' or '.join(map(repr, TRAINERS))}, not '{config.tokenizer.kind}': set "
            "--config.tokenizer.kind=sentencepiece"
        )
    if not options.output:
        raise ConfigError("--job=tokenizer needs --output=PATH: the file to write, such as tokenizer.model")
    if size == 0:
        raise ConfigError("--job=tokenizer needs --config.tokenizer.vocabulary_size=N, such as 32000")
    output = Path(options.output)
    with configuring():
        captions = list(training_captions(config.data))
        output.parent.mkdir(parents=True, exist_ok=True)
        TRAINERS[config.tokenizer.kind](captions, size, output)
        tokenizer = load_tokenizer({**config.tokenizer, "path": str(output.resolve())})
    tokens = tokenizer.count_tokens(captions)
    pieces, names = tokenizer.vocabulary_size, ", ".join(config.data.sources)
    print(f"{output}: {pieces} pieces from {len(captions)} captions of {names}")
    print(
        f"tokens per caption: {tokens.mean():.1f} on average, {tokens.max()} at most; "
        f"length {tokenizer.length} cuts {(tokens > tokenizer.length).mean():.2%}"
    )
    return 0


def training_captions(data: Any) -> Iterator[str]:
    """Yields every text that training may show, source by source in the order of the records in use.

    Args:
      data: `data` of the config.
    """
    for name, settings in data.sources.items():
        if settings.weight == 0:
            continue
        source, view = open_named(name, settings), TextView.of_source(data.text, settings)
        for index in entry_records(source, name, settings):
            try:
                yield from view.every_text(source[index])
            except BadRecord:  # not readable: nothing to learn from
                continue
