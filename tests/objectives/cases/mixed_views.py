"""What makes the objective small."""

SETTINGS = {"hidden_width": 16, "output_width": 8, "depth": 1, "heads": 2, "mlp_dim": 32}
