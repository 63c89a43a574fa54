"""What makes the objective small."""

SETTINGS = {"hidden_width": 16, "bottleneck_width": 8, "prototypes": 32}
