"""What makes the objective small."""

SETTINGS = {"hidden_width": 16, "output_width": 8, "chunk": 3}
