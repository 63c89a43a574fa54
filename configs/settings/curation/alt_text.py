"""Texts that many images share, short and long ones, rare words, small images: ALIGN's filter."""

from __future__ import annotations

from configs.settings.setting import Setting, count, natural, not_negative

CLASS = "input_pipeline.curation.alt_text:AltText"

SETTINGS = {
    "kinds": Setting((), "of captions that are read; () = all"),
    "need": Setting("all", "how many of a record's texts have to be good", choices=("all", "any")),
    "most_images": count(10, "that share a text"),
    "most_texts": count(1000, "of an image"),
    "least_words": natural(3, "of a text, between white space"),
    "most_words": count(20, "of a text"),
    "frequent": count(100_000_000, "most frequent unigrams and bigrams; a text with another one is dropped"),
    "side_above": natural(200, "pixels that the shorter side exceeds; 0 = any"),
    "aspect_below": not_negative(3.0, "that longer side by shorter does not reach; 0 = any"),
}
