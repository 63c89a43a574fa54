"""Towers, pooling, positions and the dual encoder: what turns pixels and token ids into embeddings."""
