"""A run from start to end, without a command line."""
