"""Look for a person in every column of every row of every table, in whatever spelling."""

import html
import json
import quopri
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from django.db import connection


def leftovers(*words: str) -> list[str]:
    """Return where one of the words still stands: `bookings_invitee.name #3`, by the row's first column."""
    with connection.cursor() as cursor:
        return [
            f"{table}.{column} #{row[0]}"
            for table in connection.introspection.table_names(cursor)
            for names, row in _rows(cursor, table)
            for column, value in zip(names, row, strict=True)
            if _holds(value, words)
        ]


def _rows(cursor: Any, table: str) -> Iterator[tuple[list[str], tuple[Any, ...]]]:
    cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
    names = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        yield names, row


def _holds(value: Any, words: tuple[str, ...]) -> bool:
    if isinstance(value, bytes | memoryview):
        text = bytes(value).decode("utf-8", "replace")
    else:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    return any(
        word.casefold() in spelling.casefold() for spelling in _spellings(text) for word in words
    )


def _spellings(text: str) -> Iterator[str]:
    unescaped = text.encode("ascii", "backslashreplace").decode("unicode_escape", "replace")
    for plain in (text, unescaped):
        yield plain
        yield unquote(plain.replace("+", " "))
        yield unquote(unquote(plain))
        yield html.unescape(plain)
        yield quopri.decodestring(plain.encode("utf-8", "replace")).decode("utf-8", "replace")
