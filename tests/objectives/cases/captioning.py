"""What makes the objective small."""

SETTINGS = {
    "size": "",
    "width": 16,
    "depth": 2,
    "heads": 2,
    "mlp_dim": 32,
    "parallel": 0.5,
    "chunk": 2,
    "seen": 0.5,
}
