"""Suites of public tasks, each measured as its own code does it, and their averages."""
