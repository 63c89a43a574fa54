"""Row groups of parquet files in a bounded amount of memory and time, and of the file that was opened."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources.shards import FileVersion

# A row group may hold this much, and where it says that it holds more, eight times what it says: a dictionary that is
# written once can stand for many equal values.
_ROOM, _TIMES = 1 << 28, 8
_SUSPICIOUS = 64  # times smaller than what it holds is a large row group only where it is made to be
_VALUE_BYTES = 64  # that a value takes in Python at least
_ROWS_AT_ONCE = 128


def read_row_group(file: FileVersion, group: int, names: list[str], rows: int) -> pa.Table:
    """Reads columns of a row group.

    Args:
      file: as it was opened.
      group: its number.
      names: of the columns.
      rows: how many it had when the file was opened.

    Raises:
      BadRecord: it cannot be read, the file has changed, or far more would come out than the file says.
    """
    where = f"row group {group} of {file.path}"
    try:
        file.check()
        with pq.ParquetFile(file.path) as parquet:
            room = _room(parquet.metadata.row_group(group), names, where)
            batches = []
            for batch in parquet.iter_batches(
                _ROWS_AT_ONCE, row_groups=[group], columns=names, use_threads=False
            ):
                room -= sum(map(_weight, batch.columns))
                if room < 0:
                    raise _bomb(where)
                batches.append(batch)
        table = pa.Table.from_batches(batches) if batches else pa.table({})
        if len(table) != rows:
            raise OSError(f"{len(table)} rows came of {rows}")
        return table
    except (pa.ArrowException, OSError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise BadRecord(Reason.UNREADABLE, f"{where}: {error}") from None


def _room(described: pq.RowGroupMetaData, names: list[str], where: str) -> int:
    """How many bytes the columns may come to."""
    parts = [described.column(number) for number in range(described.num_columns)]
    parts = [part for part in parts if part.path_in_schema.split(".")[0] in names]
    packed = sum(part.total_compressed_size for part in parts)
    whole = sum(part.total_uncompressed_size for part in parts)
    room = _ROOM + _TIMES * whole
    if whole > max(_ROOM, _SUSPICIOUS * packed) or _VALUE_BYTES * sum(p.num_values for p in parts) > 4 * room:
        raise _bomb(where)
    return room


def _weight(array: pa.Array) -> int:
    """The bytes of an array's values, those of a dictionary as often as they stand for one."""
    if pa.types.is_dictionary(array.type):
        kind = array.type.value_type
        texts = pa.types.is_string(kind) or pa.types.is_binary(kind)
        texts = texts or pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
        lengths = pc.binary_length(array.dictionary) if texts else pa.array([8] * len(array.dictionary))
        return pc.sum(pc.take(lengths, array.indices)).as_py() or 0
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return 4 * len(array) + _weight(array.flatten())
    if pa.types.is_struct(array.type):
        return sum(map(_weight, array.flatten()))
    return int(array.nbytes)


def _bomb(where: str) -> BadRecord:
    return BadRecord(
        Reason.TOO_LARGE, f"{where} unpacks to far more than it takes in the file, as decompression bombs do"
    )
