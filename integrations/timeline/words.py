"""Put what changed into words."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.timeline.entries import Change


def changes_in_words(changes: Mapping[str, Any]) -> Iterator[Change]:
    """Put an event's `{"start_at": [before, after]}` into words, one change a fact."""
    for name, (before, after) in changes.items():
        yield Change(
            name=name.removesuffix("_at").replace("_", " "),
            before=_in_words(before),
            after=_in_words(after),
            is_time=name.endswith("_at"),
        )


def _in_words(value: object) -> str:
    match value:
        case None | "" | []:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(_in_words(item) for item in value)
        case {"question": question, "answer": answer}:
            return f"{question}: {answer}"
        case str():
            return _time_in_words(value)
    return str(value)


def _time_in_words(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment.astimezone(UTC):%a %d %b %Y, %H:%M} UTC" if moment.tzinfo else text
