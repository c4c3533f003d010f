"""The text by which staff find a booking: its name and what its invitees told, in one column, so that one index serves.

Every word that is searched must be in it, wherever. It holds personal data: it is made anew when a person is erased,
and who may not see people finds by the name of the event type instead.
"""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from django.db.models import Prefetch, Q, QuerySet

from bookings.models import Booking, EventType, Invitee

if TYPE_CHECKING:
    from bookings.versions import Changes

#: Letters of one answer that can be found.
_LONGEST_ANSWER = 200
#: A trigram index finds nothing shorter inside a word; these are found where a word begins.
_SHORTEST_INSIDE = 3
#: What the text is made of; `uri` stands among the changes of a row that is new.
_READ = frozenset({"uri", "name", "email", "answers"})


def text_of(booking: Booking, invitees: Iterable[Invitee]) -> str:
    """Return what a booking is found by: folded words with a space before each."""
    said = [booking.name]
    for invitee in invitees:
        said += [invitee.name, invitee.email]
        said += [str(answer.get("answer") or "")[:_LONGEST_ANSWER] for answer in invitee.answers]
    return "".join(f" {word}" for word in " ".join(said).casefold().split())


def is_read_differently(changes: "Changes") -> bool:
    """Tell whether a booking or an invitee that changed so is found by another text."""
    return not _READ.isdisjoint(changes)


def refresh(booking_ids: Collection[int]) -> None:
    """Write the text of these bookings from their rows as they are; to be called where the bookings are locked."""
    if not booking_ids:
        return
    told = Invitee.objects.only("booking_id", "name", "email", "answers")
    rows = Booking.objects.filter(pk__in=booking_ids).only("name", "search_text")
    stale = []
    for booking in rows.order_by("pk").prefetch_related(Prefetch("invitees", told)):
        text = text_of(booking, booking.invitees.all())
        if text != booking.search_text:
            booking.search_text = text
            stale.append(booking)
    Booking.objects.bulk_update(stale, ["search_text"])


def found(bookings: QuerySet[Booking], term: str, *, is_clear: bool) -> QuerySet[Booking]:
    """Keep the bookings in which every word of the term stands; `is_clear` for who may see people."""
    for word in term.casefold().split():
        if is_clear:
            bookings = bookings.filter(search_text__contains=_inside(word))
        else:
            types = EventType.objects.filter(name__icontains=word).order_by()
            bookings = bookings.filter(event_type__in=types.values("pk"))
    return bookings


def people_found(invitees: QuerySet[Invitee], term: str, *, is_clear: bool) -> QuerySet[Invitee]:
    """Keep the invitees whose name or address has every word of the term, by way of their bookings' index."""
    if not is_clear:
        bookings = found(Booking.objects.order_by(), term, is_clear=False)
        return invitees.filter(booking__in=bookings.values("pk"))
    for word in term.casefold().split():
        said = Q(name__icontains=word) | Q(email_folded__contains=word)
        invitees = invitees.filter(said, booking__search_text__contains=_inside(word))
    return invitees


def _inside(word: str) -> str:
    return word if len(word) >= _SHORTEST_INSIDE else f" {word}"
