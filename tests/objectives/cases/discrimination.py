"""What makes the objective small."""

SETTINGS = {"classes": 16, "scale": 8.0, "rate": 1.0, "chunk": 3}
