"""Makes a bag of words and n-grams small."""

TINY = {"size": "", "width": 64, "mlp_dim": 128}
