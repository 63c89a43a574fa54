"""The other sides of comparisons: other projects, driven as their users do."""
