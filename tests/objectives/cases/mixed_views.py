"""What makes the objective small, three rows at a time."""

SETTINGS = {"hidden_width": 16, "output_width": 8, "depth": 1, "heads": 2, "mlp_dim": 32, "chunk": 3}
