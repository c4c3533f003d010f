"""What somebody writes into an address as an id or a moment, as far as a database can be asked for it. Pure."""

from datetime import MAXYEAR, MINYEAR, datetime

#: Digits of the largest id there can be.
_LONGEST_ID = 18


def row_id(text: str) -> int | None:
    """Return the id that a text is; None where it is none, or none that a row can have."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID
    return int(text) if is_number else None


def is_askable(moment: datetime) -> bool:
    """Tell whether a moment can be written in any zone: at the ends of the calendar it cannot."""
    return MINYEAR < moment.year < MAXYEAR
