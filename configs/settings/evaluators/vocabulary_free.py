"""Names for images without a list of classes, found in captions: CaSED."""

from __future__ import annotations

from configs.settings.evaluators import CATEGORY_SEARCH

CLASS = "vlp.evaluation.naming.vocabulary_free:VocabularyFree"

SETTINGS = CATEGORY_SEARCH
