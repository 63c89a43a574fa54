"""Texts that evaluators ask with: class names, prompts, descriptions, captions."""
