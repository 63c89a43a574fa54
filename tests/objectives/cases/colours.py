"""What makes the objective small."""

SETTINGS = {"width": 8}
