"""Every evaluator's settings with their defaults, all of them off; a part of base.py."""

from __future__ import annotations

from typing import Any


def evaluators() -> dict[str, dict[str, Any]]:
    """By name. `every` is a period in steps (0 = never during training), `final` = once after the last step,
    `sets` are names in data.evaluation."""
    return {
        "zero_shot": {
            "every": 0,
            "final": False,
            "sets": ("val_vendor",),
            "templates": "simple",
            "labels": "category",
            "prefix_token": "",  # one of tokenizer.prefix_tokens, before every prompt
        },
        "retrieval": {"every": 0, "final": False, "sets": ("val",), "k": (1, 5, 10), "prefix_token": ""},
    }
