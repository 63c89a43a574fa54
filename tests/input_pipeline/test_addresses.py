"""What of an address may be shown."""

from __future__ import annotations

import doctest

import pytest

from input_pipeline import addresses
from input_pipeline.addresses import file_name, is_address, redacted


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:pw@host:8080/a/b.tar", "https://***@host:8080/a/b.tar"),
        ("https://host/a.tar?X-Amz-Signature=abc&b=c", "https://host/a.tar?***"),
        ("s3://key:se@cret@bucket/a", "s3://***@bucket/a"),
        ("http://token@host", "http://***@host"),
        ("https://host/a@b/c.tar", "https://host/a@b/c.tar"),
        ("gs://bucket/{000..999}.tar", "gs://bucket/{000..999}.tar"),
        ("https://host/?.tar", "https://host/?***"),
        ("gs://bucket/part-??.parquet", "gs://bucket/part-??.parquet"),
        ("s3://key:se@bucket/part-?.tar?versionId=3", "s3://***@bucket/part-?***"),
        ("/data/a?b@c.tar", "/data/a?b@c.tar"),
    ],
)
def test_secrets_of_an_address_are_not_shown(address: str, shown: str) -> None:
    assert redacted(address) == shown
    assert redacted(f"'{address}': HTTP 403 for {address}") == f"'{shown}': HTTP 403 for {shown}"


def test_the_example_of_the_docstring_is_true() -> None:
    assert doctest.testmod(addresses).failed == 0


def test_the_name_of_a_file_has_no_query() -> None:
    assert file_name("https://h/a/b.tar?sig=a.b#c") == "b.tar" and file_name("https://h/a/") == ""
    assert is_address("s3://a") and not is_address("a/b:c")
