"""Makes a transformer over tokens small."""

TINY = {"size": "", "width": 64, "depth": 2, "heads": 2, "mlp_dim": 128}
