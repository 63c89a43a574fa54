"""What a Parquet file in a bucket says of itself in its last bytes, of which alone it is asked."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from input_pipeline.buckets import Bucket, Version
from input_pipeline.errors import UnreadableFile

_TAIL = 1 << 16
_LEAST = 12  # bytes of a Parquet file


def rows_at(bucket: Bucket, name: str, version: Version) -> int:
    """Returns how many rows a Parquet file has, from its footer.

    Raises:
      ValueError: it is none.
    """
    if version.size < _LEAST:
        raise UnreadableFile(f"its {version.size} bytes are no Parquet file")
    tail = bucket.read_range(name, max(0, version.size - _TAIL), version.size, version.tag)
    needed = int.from_bytes(tail[-8:-4], "little") + 8
    if needed > len(tail):
        tail = bucket.read_range(name, max(0, version.size - needed), version.size, version.tag)
    try:
        rows: int = pq.read_metadata(pa.BufferReader(b"PAR1" + tail)).num_rows
    except (pa.ArrowException, OSError) as error:  # of these bytes: the bucket has given them
        raise UnreadableFile(str(error)) from None
    return rows
