"""Structure of the embedding space: clusters and geometry."""
