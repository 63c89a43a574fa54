"""What a config will need on machines that are not here: compiled for them, counted, and estimated (docs/scale.md)."""
