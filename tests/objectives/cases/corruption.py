"""What makes the objective small, three rows at a time."""

SETTINGS = {"hidden_width": 16, "output_width": 8, "chunk": 3}
