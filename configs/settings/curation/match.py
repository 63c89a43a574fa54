"""Entries that a record's captions contain, between spaces: MetaCLIP's matching."""

from __future__ import annotations

from configs.settings.setting import Setting, count

CLASS = "input_pipeline.curation.match:Match"

SETTINGS = {
    "entries": Setting(
        "",
        "text file, UTF-8, one a line; with a language, a folder of LANGUAGE.txt; '' = words of the captions",
    ),
    "kinds": Setting((), "of captions that are read; () = all"),
    "language": Setting(
        "", "of a text: caption, or one of columns.extras, each with its own entries; '' = all are one"
    ),
    "spacing": Setting(
        "all",
        "beside an entry: all, or those of scripts that have some (MetaCLIP 2)",
        choices=("all", "scripts"),
    ),
    # Without a file. Of Wikipedia, the paper takes words that occur 100 times.
    "least": count(100, "occurrences of a word or pair that becomes an entry"),
    "information": Setting(10.0, "of such a pair: pointwise mutual information in bits, at least"),
}
