"""What a button can have done: a no-show marked or taken back at the source, failed deliveries acknowledged.

The network is asked here; what follows in our own rows is handed back, to be written with the end of the press. The
mirror learns of a no-show as of everything: it asks the source again, and the road carries on from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db.models import Model

from bookings.meeting import Meeting, load_meeting
from bookings.models import Booking, Invitee
from integrations import breaker, outbox, refetch
from integrations.connectors.base import PressAction
from integrations.errors import AccessError, ConfigurationError, PermanentError
from integrations.interactions.authority import Actor, RefusedError, allow
from integrations.models import Account, Connection, Delivery, Interaction
from integrations.sources.base import Source, get_source

State = Interaction.State

_SOON = "The card, and all else that follows, is brought up to date within seconds."


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
        RefusedError: they may not, or not now.
        IntegrationError: the source does not answer, or refuses.
    """
    deed = _DEEDS.get(row.action)
    if deed is None or not row.ids:
        raise RefusedError("Calsync does not know this button any more. Nothing was done.")
    return deed(row, actor, now)


def _mark(row: Interaction, actor: Actor, now: datetime) -> Ending:
    meeting = _meeting(row)
    actor = _allow_about(meeting, actor)
    if meeting.is_canceled:
        raise RefusedError("The meeting was canceled, so nobody can have missed it.")
    if meeting.start_at > now:
        begins = f"{meeting.start_at.astimezone(UTC):%a %d %b %Y, %H:%M} UTC"
        raise RefusedError(f"The meeting has not begun: press again after {begins}.")
    if meeting.is_no_show:
        return Ending(state=State.DONE, said="It was marked as a no-show already.", actor=actor)
    booking = Booking.objects.get(pk=meeting.booking_id)
    _at_source(
        booking,
        lambda source, account: source.mark_no_show(
            account, invitee_uri=meeting.invitee_uri, look_first=row.attempts > 1
        ),
        now=now,
    )
    return _told(booking, f"Marked as a no-show at Calendly. {_SOON}", actor)


def _unmark(row: Interaction, actor: Actor, now: datetime) -> Ending:
    meeting = _meeting(row)
    actor = _allow_about(meeting, actor)
    uri = Invitee.objects.values_list("no_show_uri", flat=True).get(uri=meeting.invitee_uri)
    if not uri:
        return Ending(state=State.DONE, said="It is not marked as a no-show.", actor=actor)
    booking = Booking.objects.get(pk=meeting.booking_id)
    _at_source(
        booking,
        lambda source, account: source.unmark_no_show(account, no_show_uri=uri),
        now=now,
    )
    return _told(booking, f"The no-show was taken back at Calendly. {_SOON}", actor)


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


def _meeting(row: Interaction) -> Meeting:
    try:
        meeting = load_meeting(row.ids[0])
    except Invitee.DoesNotExist:
        raise RefusedError(
            "Calsync does not know this meeting any more. Nothing was done."
        ) from None
    if meeting.is_erased:
        raise RefusedError("The invitee's data was erased: nothing is done about the meeting any more.")  # fmt: skip
    return meeting


def _allow_about(meeting: Meeting, actor: Actor) -> Actor:
    what = "may change bookings"
    return allow(actor, "bookings.change_booking", what=what, hosts=meeting.hosts)


def _told(booking: Booking, said: str, actor: Actor) -> Ending:
    """Return that the source has it, and that the mirror asks the source about it."""

    def write(now: datetime) -> str:
        refetch.ask_now(booking.uri, account=booking.account, now=now)
        return said

    return Ending(
        state=State.DONE, said=said, actor=actor, about=(booking,), write=write, asks_again=True
    )


def _at_source(
    booking: Booking, call: Callable[[Source, Account], object], *, now: datetime
) -> None:
    """Ask the source that told of the booking; one that no longer takes our token is paused, as everywhere."""
    connection = Connection.objects.of_account(booking.account).first()
    if connection is None:
        raise PermanentError(
            "The account that told of this booking is no longer connected.",
            hint="Mark it at Calendly.",
        )
    if connection.state == Connection.State.PAUSED:
        raise ConfigurationError(connection.state_reason, hint=connection.state_hint)
    try:
        call(get_source(connection.provider), connection.open_account())
    except AccessError as error:
        row = Connection.objects.filter(pk=connection.pk)
        row.update(last_error=error.answer, last_error_at=now)
        raise
    except ConfigurationError as error:
        breaker.pause(connection, now=now, reason=str(error), hint=error.hint)
        raise
