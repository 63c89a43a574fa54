"""What makes the objective small."""

SETTINGS = {"size": "", "width": 16, "depth": 2, "heads": 2, "mlp_dim": 32}
