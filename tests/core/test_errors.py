"""Errors as one line."""

from __future__ import annotations

import pytest

from umt_core.errors import class_and_line, first_line


@pytest.mark.parametrize(
    ("error", "line", "with_class"),
    [
        (ValueError("\n wanted 1\r\ngot 2"), "wanted 1", "ValueError: wanted 1"),
        (RuntimeError(" \n\t"), "RuntimeError", "RuntimeError"),
        (MemoryError(), "MemoryError", "MemoryError"),
    ],
)
def test_an_error_is_one_line_even_where_its_message_is_none(error, line, with_class):
    assert first_line(error) == line
    assert class_and_line(error) == with_class
