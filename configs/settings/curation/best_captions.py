"""The captions of a record that are nearest to its image: RS5M's ranking of candidates."""

from __future__ import annotations

from configs.settings.setting import Setting, count

CLASS = "vlp.curation.best_captions:BestCaptions"

SETTINGS = {
    "embeddings": Setting("", "folder of --job=embed; '' = curate.embeddings"),
    "kinds": Setting((), "of captions that are candidates; () = all"),
    "top": count(1, "captions that are written"),
    "kind_written": Setting("ranked", "of the captions that are written"),
}
