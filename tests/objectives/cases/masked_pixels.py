"""What makes the objective small."""

SETTINGS = {"share": 0.5}
