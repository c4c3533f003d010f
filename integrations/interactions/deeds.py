"""What a button can have done: a no-show marked or taken back at the source, failed deliveries acknowledged.

The network is asked here; what follows in our own rows is handed back, to be written with the end of the press. The
mirror learns of a no-show as of everything: it asks the source again, and the road carries on from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Model

from bookings.meeting import Meeting
from bookings.models import Booking
from integrations import at_source, outbox, refetch
from integrations.at_source import Changed
from integrations.connectors.base import PressAction
from integrations.interactions.authority import Actor, RefusedError, allow
from integrations.models import Delivery, Interaction

State = Interaction.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Say how a press ends, and what the person is told.

    `write` changes our own rows in the same transaction, and may put what is told into better words. `about` are the
    rows whose log tells of it; `asks_again`: the mirror has a question to the source then.
    """

    state: Interaction.State
    said: str
    actor: Actor = field(default_factory=Actor)
    about: tuple[Model, ...] = ()
    write: Callable[[datetime], str] | None = None
    asks_again: bool = False
    error: str = ""


def failed(said: str, *, actor: Actor | None = None, error: str = "") -> Ending:
    """Return that it could not be done, and why."""
    return Ending(state=State.FAILED, said=said, actor=actor or Actor(), error=error or said)


def carry_out(row: Interaction, actor: Actor, *, now: datetime) -> Ending:
    """Do what the button asks for, if the person may; safe to repeat.

    Raises:
        RefusedError, NotNowError: they may not, or not as the meeting stands.
        IntegrationError: the source does not answer, or refuses.
    """
    deed = _DEEDS.get(row.action)
    if deed is None or not row.ids:
        raise RefusedError("Calsync does not know this button any more. Nothing was done.")
    return deed(row, actor, now)


def _mark(row: Interaction, actor: Actor, now: datetime) -> Ending:
    meeting = at_source.meeting_of(row.ids[0])
    actor = _allow_about(meeting, actor)
    changed = at_source.mark_no_show(meeting, now=now, look_first=row.attempts > 1)
    return _told(meeting, changed, actor)


def _unmark(row: Interaction, actor: Actor, now: datetime) -> Ending:
    meeting = at_source.meeting_of(row.ids[0])
    actor = _allow_about(meeting, actor)
    return _told(meeting, at_source.take_back_no_show(meeting, now=now), actor)


def _acknowledge(row: Interaction, actor: Actor, now: datetime) -> Ending:
    actor = allow(actor, "integrations.change_delivery", what="may change deliveries")
    named = Delivery.objects.filter(pk__in=row.ids)
    about = tuple(named.filter(state=Delivery.State.FAILED, acknowledged_at=None))

    def write(now: datetime) -> str:
        count = outbox.acknowledge(named, by=actor.username, now=now)
        if not count:
            return "Nothing to acknowledge: it was acknowledged already, or sent again since."
        what = "failed sync is" if count == 1 else "failed syncs are"
        return f"{count} {what} acknowledged; a retry brings them back."

    return Ending(state=State.DONE, said="", actor=actor, about=about, write=write)


_DEEDS: Mapping[str, Callable[[Interaction, Actor, datetime], Ending]] = {
    PressAction.MARK_NO_SHOW: _mark,
    PressAction.UNMARK_NO_SHOW: _unmark,
    PressAction.ACKNOWLEDGE: _acknowledge,
}


def _allow_about(meeting: Meeting, actor: Actor) -> Actor:
    what = "may change bookings"
    return allow(actor, "bookings.change_booking", what=what, hosts=meeting.hosts)


def _told(meeting: Meeting, changed: Changed, actor: Actor) -> Ending:
    """Return that the source has it, and that the mirror asks the source about it."""
    if not changed.is_new:
        return Ending(state=State.DONE, said=changed.said, actor=actor)
    booking = Booking.objects.get(pk=meeting.booking_id)

    def write(now: datetime) -> str:
        refetch.ask_now(booking.uri, account=booking.account, now=now)
        return changed.said

    return Ending(
        state=State.DONE, said=changed.said, actor=actor, about=(booking,), write=write, asks_again=True
    )  # fmt: skip
