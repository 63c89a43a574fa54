"""From any source to ArrayRecord shards: smaller images, no broken records, no near-duplicates.

header        what an image's first bytes say
fingerprint   64 bits that look alike where images look alike; which of them were seen before
convert       one Record -> the bytes to write
workers       many records by several processes, in order
shards        shards and the manifest that vouches for them
conversion    the whole story, and going on after an interruption
"""

from input_pipeline.prepare.conversion import Report, prepare
from input_pipeline.prepare.convert import Settings
from input_pipeline.prepare.workers import WorkerFailed

__all__ = ["Report", "Settings", "WorkerFailed", "prepare"]
