"""Damaged inputs and mutated folders and command lines: each is read or refused with one clear line."""
