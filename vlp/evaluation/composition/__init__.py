"""Compositional understanding: texts that differ from the right one in a word, or only in its order."""
