"""Simple classifiers on frozen embeddings, which say how much of something a model has learned."""
