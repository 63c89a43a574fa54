"""Retrieval of images and captions."""
