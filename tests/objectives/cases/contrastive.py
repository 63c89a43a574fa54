"""What makes the objective small."""

SETTINGS = {"targets": "label"}
