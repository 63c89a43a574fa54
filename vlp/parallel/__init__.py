"""The mesh, and where arrays live on it."""
