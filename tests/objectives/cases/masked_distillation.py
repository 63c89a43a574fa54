"""What makes the objective small, and hides at least one of sixteen patches."""

SETTINGS = {
    "hidden_width": 16,
    "bottleneck_width": 8,
    "prototypes": 32,
    "centring": "sinkhorn",
    "shared_head": False,
    "lowest_share": 0.25,
}
