"""Embeddings of whole data sets: encode, store, read."""
