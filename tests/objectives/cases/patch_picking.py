"""What makes the objective small, and of four pieces hides two."""

SETTINGS = {"share": 0.5, "depth": 1, "heads": 2, "mlp_dim": 32}
