"""Pairs by the cosine of image and text, at least a threshold or the best share: CLIP-score filtering."""

from __future__ import annotations

from configs.settings.setting import Setting, share

CLASS = "vlp.curation.clip_score:ClipScore"

SETTINGS = {
    "embeddings": Setting("", "folder of --job=embed; '' = curate.embeddings"),
    "kinds": Setting((), "of captions that are read; () = all"),
    "of": Setting("first", "which of a record's texts counts", choices=("first", "best")),
    "keep": share(0.0, "of the scored records, the best; 0 = by threshold"),
    "threshold": Setting(0.28, "lowest cosine that stays, where keep=0", at_least=-1, at_most=1),
}
