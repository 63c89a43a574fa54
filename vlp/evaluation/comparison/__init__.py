"""Comparison of runs: figures, intervals, variants."""
