"""What makes the objective small: four texts at a time."""

SETTINGS = {"heads": 2, "chunk": 4}
IMAGE = {"patch_dropout": 0.0}
