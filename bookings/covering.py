"""Cover what names people in the rows of a page, for who may not see it.

A page shows covered rows and saves none of them: the columns are changed in memory alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import ForeignKey, Model

from bookings.discretion import HIDDEN, Discretion
from bookings.models import (
    Booking,
    BookingEvent,
    Host,
    Invitee,
    MirrorRow,
    RefetchRequest,
    RoutingSubmission,
)

#: How one column is covered.
Cover = Callable[[Discretion, Any], Any]

_RULES: dict[type[Model], dict[str, Cover]] = {}
#: Facts of an event that tell nothing of who somebody is.
_FACTS = frozenset({"start_at", "end_at", "no_show", "status"})


def register(model: type[Model], **columns: Cover) -> None:
    """Say which columns of a model name people, and how each is covered."""
    _RULES[model] = columns


def cover(row: Any, discretion: Discretion, *, follow: bool = False) -> None:
    """Cover a row and what was loaded with it; `follow` loads what it points to, which a page of one row may show."""
    if row is None or discretion.is_clear:
        return
    if follow:
        _load(row)
    _cover(row, discretion, seen=set())


def cover_all(rows: Iterable[Any], discretion: Discretion) -> list[Any]:
    """Return the rows, covered."""
    found = list(rows)
    for row in found:
        cover(row, discretion)
    return found


def names_people(model: type[Model], path: str) -> bool:
    """Tell whether a lookup such as `chain__email__startswith` asks for what names people."""
    for name in path.lstrip("^=@").split("__"):
        if name in _rules(model):
            return True
        try:
            related = model._meta.get_field(name).related_model  # noqa: SLF001  # Django's documented name
        except FieldDoesNotExist:
            return False
        if not isinstance(related, type):
            return False
        model = related
    return False


def nothing(_discretion: Discretion, _value: Any) -> str:
    """Show nothing."""
    return ""


def hidden(_discretion: Discretion, _value: Any) -> str:
    """Show that it is hidden, whatever it is."""
    return HIDDEN


def leaves(_discretion: Discretion, value: Any) -> Any:
    """Hide every text in JSON and keep its shape."""
    match value:
        case str():
            return HIDDEN if value else ""
        case Mapping():
            return {name: leaves(_discretion, item) for name, item in value.items()}
        case list() | tuple():
            return [leaves(_discretion, item) for item in value]
    return HIDDEN if value and not isinstance(value, bool) else value


def emails(discretion: Discretion, value: Any) -> list[str]:
    """Mask each address."""
    return [discretion.email(item) for item in value or ()]


def labelled(*labels: str) -> Cover:
    """Return what hides all but the labels in a list of objects, such as an answer below its question."""

    def _covered(discretion: Discretion, value: Any) -> list[Any]:
        return [
            {
                name: item if name in labels else leaves(discretion, item)
                for name, item in row.items()
            }
            for row in value or ()
        ]

    return _covered


def _facts(discretion: Discretion, value: Any) -> dict[str, Any]:
    return {
        name: pair if name in _FACTS else leaves(discretion, pair)
        for name, pair in (value or {}).items()
    }


def _cover(row: Any, discretion: Discretion, *, seen: set[int]) -> None:
    if not isinstance(row, Model) or id(row) in seen:
        return
    seen.add(id(row))
    if isinstance(row, Booking):
        row.name = _event_type_name(row)
    for name, how in _rules(type(row)).items():
        # A column that was left out of the query is covered unread.
        row.__dict__[name] = how(discretion, row.__dict__.get(name, ""))
    for related in _loaded(row):
        _cover(related, discretion, seen=seen)


def _event_type_name(booking: Booking) -> str:
    """Return what the booking is called for everybody: its own name may be made of people's."""
    known = "event_type" in booking._state.fields_cache  # noqa: SLF001  # what was loaded, without a query
    return booking.event_type.name if known and booking.event_type else ""


def _loaded(row: Model) -> Iterator[Any]:
    yield from row._state.fields_cache.values()  # noqa: SLF001  # the same
    for rows in getattr(row, "_prefetched_objects_cache", {}).values():
        yield from rows


def _load(row: Model) -> None:
    for field in row._meta.concrete_fields:  # noqa: SLF001  # Django's documented name
        if isinstance(field, ForeignKey) and _rules(field.related_model):
            getattr(row, field.name)


def _rules(model: Any) -> dict[str, Cover]:
    found: dict[str, Cover] = {}
    for base in reversed(model.__mro__):
        found |= _RULES.get(base, {})
    return found


_NAME, _EMAIL, _TEXT = Discretion.name, Discretion.email, Discretion.text

register(MirrorRow, raw=hidden)
register(Host, name=_NAME, email=_EMAIL)
register(
    Booking, name=lambda _discretion, name: name, location_text=_TEXT, join_url=_TEXT, guests=emails, canceled_by=_NAME,
    cancel_reason=_TEXT,
)  # fmt: skip
register(
    Invitee, email=_EMAIL, email_folded=_EMAIL, name=_NAME, first_name=_NAME, last_name=_NAME,
    text_reminder_number=_TEXT, answers=labelled("question", "position"), tracking=leaves, canceled_by=_NAME,
    cancel_reason=_TEXT, cancel_url=_TEXT, reschedule_url=_TEXT,
)  # fmt: skip
register(
    RoutingSubmission, answers=labelled("question", "position"), tracking=leaves, result_value=_TEXT
)
register(BookingEvent, changes=_facts)
register(RefetchRequest, last_error=_TEXT)
