"""Naming of images without a list of classes."""
