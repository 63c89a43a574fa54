"""What each part can be told: a small file a part, with defaults, ranges and meanings.

The files of `objectives` and `evaluators` are the registry of kinds, too: `CLASS` says whose settings they are,
`SETTINGS` what it can be told, and `check(entry, config, where)`, where there is one, what that must agree with.
"""
