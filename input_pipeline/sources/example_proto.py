"""tf.train.Example without TensorFlow: the wire format described to protobuf in the few lines it takes.

The classes that come with tensorflow_datasets are the same, but importing them costs every worker process half
a second. These live in a descriptor pool of their own, where they cannot clash with those.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from input_pipeline.errors import UserError

Values = Sequence[bytes] | Sequence[int] | Sequence[float]

# message -> (field, number, type, message of the field); of tensorflow/core/example/{example,feature}.proto.
# A map is on the wire a repeated message of a key and a value.
_REPEATED = "repeated "
_MESSAGES: Mapping[str, tuple[tuple[str, int, str, str], ...]] = {
    "BytesList": (("value", 1, _REPEATED + "bytes", ""),),
    "FloatList": (("value", 1, _REPEATED + "float", ""),),
    "Int64List": (("value", 1, _REPEATED + "int64", ""),),
    "Feature": (
        ("bytes_list", 1, "message", "BytesList"),
        ("float_list", 2, "message", "FloatList"),
        ("int64_list", 3, "message", "Int64List"),
    ),
    "Entry": (("key", 1, "string", ""), ("value", 2, "message", "Feature")),
    "Features": (("feature", 1, _REPEATED + "message", "Entry"),),
    "Example": (("features", 1, "message", "Features"),),
}


def encode_example(features: Mapping[str, Values]) -> bytes:
    """Serialises non-empty lists of one type each, in the order of their names, so that equal is equal in bytes."""
    example = _example_class()()
    for name in sorted(features):
        values = features[name]
        entry = example.features.feature.add(key=name)
        kind = "bytes_list" if isinstance(values[0], bytes) else "int64_list"
        if isinstance(values[0], float):
            kind = "float_list"
        getattr(entry.value, kind).value.extend(values)
    return example.SerializeToString()


def decode_example(data: bytes) -> Iterator[tuple[str, Values]]:
    """Yields the names and values of every feature.

    Raises:
      ValueError: the data are no Example.
    """
    from google.protobuf.message import DecodeError

    try:
        example = _example_class().FromString(data)
    except DecodeError as error:
        raise UserError(f"{len(data)} bytes are no tf.train.Example: {error}") from None
    for entry in example.features.feature:
        feature = entry.value
        values = feature.bytes_list.value or feature.int64_list.value or feature.float_list.value
        yield entry.key, list(values)


@functools.cache
def _example_class() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="vlp", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            repeated = kind.startswith(_REPEATED)
            message.field.add(
                name=field,
                number=number,
                type=getattr(kinds, f"TYPE_{kind.removeprefix(_REPEATED).upper()}"),
                label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL,
                type_name=f".vlp.{of}" if of else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("vlp.Example"))
