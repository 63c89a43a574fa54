"""Programs that measure, run as `python -m benchmarks.NAME`; what they found stands in docs/performance.md."""
