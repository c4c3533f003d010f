"""Write a list of bookings as CSV, chunk by chunk: however long the list, no more than a chunk is in memory."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from bookings import spreadsheet
from bookings.discretion import Discretion
from bookings.models import Booking
from integrations.destinations import by_urgency, every_destination
from integrations.models import Connection, Delivery, Rule

#: Bookings in one file, at most; more are to be exported in parts.
MOST = 50_000
#: Bookings read at once.
CHUNK = 500
#: By which Excel knows UTF-8.
_MARK = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Hold some lines of the file, and how many of them are invitees'."""

    text: str
    count: int


def is_too_long(bookings: QuerySet[Booking]) -> bool:
    """Tell whether the list is longer than one file may be."""
    return bookings[: MOST + 1].count() > MOST


def parts(bookings: QuerySet[Booking], *, discretion: Discretion) -> Iterator[Part]:
    """Yield the file: the newest start first, one line an invitee, then a column for each destination.

    The questions that the first chunk's invitees were asked have columns of their own.
    """
    connections = list(_destinations())
    questions: tuple[str, ...] | None = None
    for chunk in _chunks(bookings):
        if questions is None:
            questions = spreadsheet.questions_of(i for b in chunk for i in b.invitees.all())
            yield _heading(questions, connections)
        rows = list(_rows(chunk, connections, questions=questions, discretion=discretion))
        yield Part(text=_lines(rows), count=len(rows))
    if questions is None:
        yield _heading((), connections)


def _heading(questions: Sequence[str], connections: Iterable[Connection]) -> Part:
    first = spreadsheet.headings(questions, [connection.name for connection in connections])
    return Part(text=_MARK + _lines([first]), count=0)


def _destinations() -> QuerySet[Connection]:
    """Return the connections that something is sent to, or was."""
    rules = Rule.objects.filter(connection=OuterRef("pk"))
    sent = Delivery.objects.filter(connection=OuterRef("pk")).order_by()
    return Connection.objects.filter(Exists(rules) | Exists(sent)).order_by("name", "id")


def _chunks(bookings: QuerySet[Booking]) -> Iterator[list[Booking]]:
    """Yield the bookings by their place in the order, so that the last chunk costs what the first does."""
    ordered = bookings.order_by("-start_at", "-id")
    chunk = list(ordered[:CHUNK])
    while chunk:
        yield chunk
        last = chunk[-1]
        after = Q(start_at__lt=last.start_at) | Q(pk__lt=last.pk)
        chunk = list(ordered.filter(after, start_at__lte=last.start_at)[:CHUNK])


def _rows(
    chunk: Sequence[Booking],
    connections: Sequence[Connection],
    *,
    questions: Sequence[str],
    discretion: Discretion,
) -> Iterator[list[str]]:
    standing = every_destination(chunk)
    for booking in chunk:
        for invitee in booking.invitees.all() or [None]:
            chain = invitee.chain_id if invitee else None
            own = by_urgency(d for d in standing[booking.pk] if d.invitee.pk == chain)
            states = [own[c.pk].state if c.pk in own else "" for c in connections]
            yield spreadsheet.row(
                booking, invitee, questions=questions, states=states, discretion=discretion
            )


def _lines(rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()
