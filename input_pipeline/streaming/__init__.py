"""Data sets larger than a disk: shards in a bucket, each host its own, and a bounded cache of them."""
