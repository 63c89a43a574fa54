"""Ten thousand shards in a bucket are opened without reading them."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from test_streaming import tar_of

from benchmarks.object_store import Door, opened
from configs import quickstart
from input_pipeline.buckets import Bucket
from input_pipeline.errors import UserError
from input_pipeline.stream import make_stream
from input_pipeline.streaming import index
from input_pipeline.streaming.index import INDEX, shards_at
from input_pipeline.tokenizers import Tokenizer

SHARDS, RECORDS, BATCH, WINDOW = 10_000, 2, 8, 8
PLACE = "s3://many/shards"


@pytest.fixture(scope="module")
def many(encode: Callable[..., bytes]) -> Iterator[tuple[Door, bytes]]:
    """A door before a server in this process, whose bucket is filled without ten thousand requests; and a shard."""
    pytest.importorskip("obstore")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server.start()
    shard = tar_of(0, RECORDS, encode(np.zeros((8, 8, 3), np.uint8), "JPEG"))[
        :6144
    ]  # without most of its end
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    backend.create_bucket("many", "us-east-1")
    known = {}
    for name in (f"{number:05d}.tar" for number in range(SHARDS)):
        put = backend.put_object("many", f"shards/{name}", shard)
        known[name] = (len(shard), put.etag.strip('"'), RECORDS)
    backend.put_object("many", f"shards/{INDEX}", json.dumps(known).encode())
    keys = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_REGION": "us-east-1"}
    with (
        opened(server.get_host_and_port()[1], google=False) as (door, address),
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in {"AWS_ENDPOINT_URL": address, **keys}.items():
            patch.setenv(name, value)
        yield door, shard
    server.stop()


def asked(door: Door) -> tuple[Counter[str], int, int]:
    """How often each shard was asked for, requests for anything else, and bytes of the shards."""
    paths = [unquote(urlsplit(path).path) for _, path in door.requests]
    shards = Counter(path for path in paths if path.endswith(".tar"))
    sent = sum(size for path, size in door.sent.items() if path.endswith(".tar"))
    return shards, len(paths) - shards.total(), sent


@pytest.mark.slow
def test_a_stream_of_ten_thousand_shards_begins_with_those_of_its_first_windows(
    many: tuple[Door, bytes], tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What their first opening counted, which reads all that is no Parquet, is kept beside them."""
    monkeypatch.setenv("VLP_DATA_CACHE", str(tmp_path))
    door, shard = many
    entry = {"format": "webdataset", "path": PLACE, "weight": 1.0, "columns": {}}
    data = {**quickstart.get_config().data.to_dict(), "cache_gb": 1.0, "window": WINDOW}
    stream: Any = make_stream(
        {**data, "sources": {"shards": entry}},
        preprocessing={"resolution": 8, "resize": "squash"},
        tokenizer=tokenizer,
        batch_size=BATCH,
        seed=3,
        fields=("text", "text_mask"),
    )
    assert stream.records == {"shards": SHARDS * RECORDS}
    batch = stream.host_batches()(0)
    assert batch["text"].shape[0] == BATCH
    shards, others, sent = asked(door)
    # Of each row's lane the shard of its record and at most those of the window to come; one to look at first.
    assert 1 < len(shards) <= 1 + BATCH * (1 + WINDOW // RECORDS + 1) and set(shards.values()) == {1}
    assert sent == len(shards) * len(shard)
    # Names come by the thousand, with that of what was counted, which comes in one piece.
    assert others == SHARDS // 1000 + 1 + 1


def test_what_was_counted_before_the_process_died_is_not_counted_again(
    google: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "KEPT", 2)
    bucket, looked = Bucket("gs://bucket/counted"), list[str]()
    for number in range(5):
        bucket.write(f"{number}.tar", b"records")

    def count(_: Bucket, name: str, __: object, worst: str = "3.tar") -> int:
        looked.append(name)
        if name == worst:
            raise UserError("the process died")
        return 7

    with pytest.raises(UserError, match="the process died"):
        shards_at(bucket.address, ".tar", count)
    looked.clear()
    found = shards_at(bucket.address, ".tar", lambda bucket, name, version: count(bucket, name, version, ""))[
        1
    ]
    assert sorted(looked) == ["2.tar", "3.tar", "4.tar"] and [one.records for one in found] == [7] * 5
    looked.clear()
    assert shards_at(bucket.address, ".tar", count)[1] == found and not looked
