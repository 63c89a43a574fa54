"""What makes the objective small."""

SETTINGS: dict = {}
