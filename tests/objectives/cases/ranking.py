"""What makes the objective small."""

SETTINGS = {"hardest": False, "chunk": 3}
