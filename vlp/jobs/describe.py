"""Write descriptions of classes for zero-shot evaluation, out of the tags of sources or of --source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from input_pipeline.records import BadRecord
from input_pipeline.sources import open_named
from input_pipeline.views.class_names import naming_rule
from input_pipeline.whole_files import write_whole
from vlp.configuration import ConfigError
from vlp.evaluation.texts.descriptions import characteristic_tags, confusable, describe
from vlp.jobs import JobOptions
from vlp.jobs._sources import asked_sources
from vlp.runs.startup import configuring

NEEDS = ()  # with --source, the config's own sources need not be there
TAKES = ("source",)
WRITES = ("file",)


def run(options: JobOptions) -> int:
    """Writes a JSON object from labels to sentences, which evaluators.zero_shot.descriptions takes, or to what they are
    easily mistaken for, which data.text_views take.

    Raises:
      ConfigError: no output, a template without {attribute}, or sources without labels and tags.
    """
    settings, output = options.config.describe, Path(options.output)
    if not options.output:
        raise ConfigError("--job=describe needs --output=PATH: the file to write, such as descriptions.json")
    if bad := [template for template in settings.templates if "{attribute}" not in template]:
        raise ConfigError(f"describe.templates: {bad[0]!r} has no {{attribute}} to put a tag into")
    with configuring():
        sources = asked_sources(options)
        tags = characteristic_tags(labels_and_tags(sources), settings.tags)
        names = naming_rule(settings.labels)(list(tags))
    sentences = {
        label: describe(name, own, settings.templates)
        for (label, own), name in zip(tags.items(), names, strict=True)
        if own
    }
    if not sentences:
        raise ConfigError(
            f"no record of {', '.join(sources)} has both a label and tags: say in "
            "data.sources.NAME.columns where they are"
        )
    content: Any = sentences
    if settings.confusable:
        content = confusable(tags, dict(zip(tags, names, strict=True)), settings.confusable)
    write_whole(output, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    count = sum(map(len, sentences.values()))
    print(
        f"{output}: {count} descriptions of {len(sentences)} classes; {len(tags) - len(sentences)} have no tags"
    )
    return 0


def labels_and_tags(sources: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yields label and tags of every record.

    Args:
      sources: entries as in `data.sources`, by name.
    """
    for name, settings in sources.items():
        source = open_named(name, settings)
        for index in range(len(source)):
            try:
                record = source[index]
            except BadRecord:  # not readable: nothing to learn from
                continue
            yield record.label, record.tags
