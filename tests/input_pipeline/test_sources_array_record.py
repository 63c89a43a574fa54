"""ArrayRecord: records come back as they were written, whoever reads them, and damage stays where it is."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter

from input_pipeline.records import BadRecord, Caption, Reason, Record
from input_pipeline.sources import open_source
from input_pipeline.sources.array_record import decode_record, encode_record


def record(number: int = 0) -> Record:
    return Record(
        id=f"set/{number}",
        image=bytes([number % 256]) * 100,
        captions=(Caption("a cat", "title", "en"), Caption("eine Katze", "", "de"), Caption("?", "x", "")),
        tags=("animal", "pet"),
        label="0",
        source="own",
        group=f"cat {number}",
        extras={
            "cluster": 2**40,
            "centres": (3, 1, 2),
            "score": 0.5,
            "licence": "cc0",
            "vector": (0.25, -1.0),
        },
    )


def write(path: Path, records: Sequence[bytes]) -> Path:
    writer = ArrayRecordWriter(str(path), "group_size:1")
    for data in records:
        writer.write(data)
    writer.close()
    return path


@pytest.mark.parametrize("kept", [record(), Record("a", None), Record("", b"", (), (), "", "s")])
def test_decoding_undoes_encoding(kept: Record) -> None:
    expected = kept if kept.image else Record(kept.id, None, source=kept.source)
    assert decode_record(encode_record(kept)) == expected


def test_numpy_extras_are_numbers_and_nothing_else_is_kept() -> None:
    extras = {"one": np.int32(3), "many": np.arange(3), "none": np.zeros(0)}
    assert decode_record(encode_record(Record("a", b"x", extras=extras))).extras == {
        "one": 3,
        "many": (0, 1, 2),
    }
    for odd in (["text", 1], [1, 2.0], [[1]], None, True):
        with pytest.raises(ValueError, match="extra 'odd'"):
            encode_record(Record("a", b"x", extras={"odd": odd}))


def test_the_bytes_are_what_tensorflow_calls_an_example() -> None:
    from tensorflow_datasets.core.proto import feature_generated_pb2  # noqa: F401
    from tensorflow_datasets.proto import tf_example_generated_pb2

    example = tf_example_generated_pb2.Example.FromString(encode_record(record(7)))
    features = example.features.feature
    assert list(features["captions"].bytes_list.value) == [b"a cat", b"eine Katze", b"?"]
    assert list(features["extra/cluster"].int64_list.value) == [2**40]
    assert list(features["extras/vector"].float_list.value) == [0.25, -1.0]
    assert decode_record(example.SerializeToString()) == record(7)


def test_other_peoples_features_are_named_by_columns(tmp_path: Path) -> None:
    from tensorflow_datasets.proto import tf_example_generated_pb2

    example = tf_example_generated_pb2.Example()
    for name, value in {"jpeg": b"x", "text": b"un chat"}.items():
        example.features.feature[name].bytes_list.value.append(value)
    example.features.feature["class"].int64_list.value.append(0)
    path = write(tmp_path / "a.array_record", [example.SerializeToString()])
    columns = {"image": "jpeg", "captions": "text", "label": "class", "language": "fr"}
    entry = {"format": "array_record", "path": str(path), "columns": columns}
    assert open_source(entry)[0] == Record("0", b"x", (Caption("un chat", "", "fr"),), label="0")
    with pytest.raises(ValueError, match=r"no 'image' for image; it has (class|jpeg|text), "):
        open_source({**entry, "columns": {}})
    with pytest.raises(ValueError, match="no 'words' for captions"):
        open_source({**entry, "columns": {**columns, "captions": "words"}})


def test_shards_follow_each_other_for_threads_and_copies(tmp_path: Path) -> None:
    for shard in range(3):
        write(
            tmp_path / f"s.array_record-0000{shard}-of-00003",
            [encode_record(record(shard * 5 + i)) for i in range(5)],
        )
    source = open_source({"format": "array_record", "path": str(tmp_path)})
    copy = pickle.loads(pickle.dumps(source))
    order = [(index * 7) % 15 for index in range(300)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(copy.__getitem__, order)) == [record(index) for index in order]
    with pytest.raises(IndexError):
        source[15]


def test_damage_costs_its_record_and_a_broken_shard_counts_once(tmp_path: Path) -> None:
    noise = [np.random.default_rng(i).bytes(4000) for i in range(5)]
    good = [encode_record(Record(str(i), noise[i])) for i in range(5)]
    data = bytearray(write(tmp_path / "a.array_record", [*good, b"no example"]).read_bytes())
    place = data.index(noise[2][100:120])
    data[place : place + 8] = b"damaged!"
    (tmp_path / "a.array_record").write_bytes(data)
    (tmp_path / "b.array_record").write_bytes(data[: len(data) // 2])
    source = open_source({"format": "array_record", "path": str(tmp_path)})
    assert len(source) == 7
    for index in (2, 5, 6):
        with pytest.raises(BadRecord) as bad:
            source[index]
        assert bad.value.reason is Reason.UNREADABLE
    assert [source[index].id for index in (0, 1, 3, 4)] == ["0", "1", "3", "4"]
    for content in (b"", b"x" * 5000, bytes(data[: len(data) // 2])):
        (tmp_path / "c.array_record").write_bytes(content)
        with pytest.raises(ValueError, match=r"c\.array_record is no readable array_record file"):
            open_source({"format": "array_record", "path": str(tmp_path / "c.array_record")})


def test_a_thousand_shards_give_a_first_batch_in_seconds(tmp_path: Path) -> None:
    data = write(tmp_path / "0000.array_record", [encode_record(record())] * 2).read_bytes()
    for shard in range(1, 1000):
        (tmp_path / f"{shard:04d}.array_record").write_bytes(data)
    start = time.process_time()  # of this process alone: a busy machine changes nothing
    source = open_source({"format": "array_record", "path": str(tmp_path)})
    batch = [source[index * 7] for index in range(256)]
    assert time.process_time() - start < 30 and len(source) == 2000 and batch[255] == record()


def test_reading_needs_no_tensorflow(tmp_path: Path) -> None:
    path = write(tmp_path / "a.array_record", [encode_record(record())])
    code = (
        "import sys\nfrom input_pipeline.sources import open_source\n"
        f"print(open_source({{'format': 'array_record', 'path': {str(path)!r}}})[0].id)\n"
        "assert not {'tensorflow', 'tensorflow_datasets', 'jax'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set/0\n", "")
