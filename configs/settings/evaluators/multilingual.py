"""Zero-shot classification by class names in many languages (Babel-ImageNet)."""

from __future__ import annotations

from configs.settings.setting import Setting

CLASS = "vlp.evaluation.classification.multilingual:Multilingual"

SETTINGS = {
    "names": Setting("", "JSON of class numbers and names by language, as babel_imagenet-298.json"),
    "prompts": Setting(
        "", "JSON of texts with a {} by language, as nllb_dist13b_prompts.json; '' = names alone"
    ),
    "labels": Setting("imagenet", "table of class names whose order numbers the classes"),
    "languages": Setting((), "of those in `names`; none = all"),
}
