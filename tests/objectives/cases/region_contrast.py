"""What makes the objective small: three boxes, and windows of half a side."""

SETTINGS = {"boxes": 3, "samples": 2, "hidden": 8, "windows": 2, "chunk": 3}
IMAGE = {"patch_dropout": 0.0}
