"""Exact nearest neighbours and ranks, the one search of the project."""
