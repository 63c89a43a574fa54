"""Length and language of texts, size and shape of images: DataComp's basic filter."""

from __future__ import annotations

from configs.settings.setting import Setting, natural, not_negative, share

CLASS = "input_pipeline.curation.basic_filter:BasicFilter"

SETTINGS = {
    "kinds": Setting((), "of captions of which one has to be good; () = all"),
    "words_above": natural(2, "of a text, between white space"),
    "characters_above": natural(5, "of a text"),
    "languages": Setting((), "of a text, as the columns of the source say; () = any"),
    # The paper has fastText; a share of letters is no judgement of the language, only of its script.
    "latin": share(0.0, "lowest share of a text's letters that are a to z; 0 = any"),
    "side_least": natural(200, "pixels of the shorter side; 0 = any"),
    "aspect_most": not_negative(3.0, "longer side by shorter; 0 = any"),
}
