"""Change a booking at the source that told of it: mark a no-show, take it back, cancel it.

One way for whoever asks, a button in Slack or a page of the admin; they have checked that the person may. The mirror is
never written here: where the source was changed it is asked again, and the road tells the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from bookings.meeting import Meeting, load_meeting
from bookings.models import Booking, Invitee, Status
from integrations import breaker
from integrations.errors import AccessError, ConfigurationError, PermanentError
from integrations.models import Account, Connection
from integrations.sources.base import Source, get_source

_SOON = "All that follows from it is brought up to date within seconds."


class NotNowError(Exception):
    """It cannot be done as the meeting stands; the message tells the person why, and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Say what was done; `is_new` where the source was changed, so that the mirror has to ask it again."""

    said: str
    is_new: bool = True


def meeting_of(chain_id: int | None) -> Meeting:
    """Return the meeting of a chain about which something can be done.

    Raises:
        NotNowError: it is not known any more, or its invitee was erased.
    """
    try:
        meeting = load_meeting(chain_id or 0)
    except Invitee.DoesNotExist:
        raise NotNowError(
            "Calsync does not know this meeting any more. Nothing was done."
        ) from None
    if meeting.is_erased:
        raise NotNowError(
            "The invitee's data was erased: nothing is done about the meeting any more."
        )
    return meeting


def mark_no_show(meeting: Meeting, *, now: datetime, look_first: bool) -> Changed:
    """Mark the invitee as a no-show; `look_first` where an earlier try may have done it without an answer.

    Raises:
        NotNowError: the meeting was canceled, or has not begun.
        IntegrationError: the source does not answer, or refuses.
    """
    if meeting.is_canceled:
        raise NotNowError("The meeting was canceled, so nobody can have missed it.")
    if meeting.start_at > now:
        begins = f"{meeting.start_at.astimezone(UTC):%a %d %b %Y, %H:%M} UTC"
        raise NotNowError(f"The meeting has not begun: press again after {begins}.")
    if meeting.is_no_show:
        return Changed(said="It was marked as a no-show already.", is_new=False)
    _ask(
        Booking.objects.get(pk=meeting.booking_id),
        lambda source, account: source.mark_no_show(
            account, invitee_uri=meeting.invitee_uri, look_first=look_first
        ),
        now=now,
    )
    return Changed(said=f"Marked as a no-show at Calendly. {_SOON}")


def take_back_no_show(meeting: Meeting, *, now: datetime) -> Changed:
    """Take the invitee's no-show back.

    Raises:
        IntegrationError: the source does not answer, or refuses.
    """
    uri = Invitee.objects.values_list("no_show_uri", flat=True).get(uri=meeting.invitee_uri)
    if not uri:
        return Changed(said="It is not marked as a no-show.", is_new=False)
    _ask(
        Booking.objects.get(pk=meeting.booking_id),
        lambda source, account: source.unmark_no_show(account, no_show_uri=uri),
        now=now,
    )
    return Changed(said=f"The no-show was taken back at Calendly. {_SOON}")


def why_not_canceled(booking: Booking, *, now: datetime) -> str:
    """Return why a booking cannot be canceled as it stands; nothing where it can be."""
    if booking.status == Status.CANCELED:
        return "It is canceled already."
    if booking.start_at <= now:
        return "It has begun, and Calendly cancels no meeting that has: mark who did not come as a no-show instead."
    return ""


def cancel(booking: Booking, *, reason: str, now: datetime) -> Changed:
    """Cancel a booking with everybody in it; safe to repeat after a lost answer.

    Raises:
        NotNowError: it has begun, or is canceled.
        IntegrationError: the source does not answer, or refuses.
    """
    if refusal := why_not_canceled(booking, now=now):
        raise NotNowError(refusal)
    _ask(
        booking,
        lambda source, account: source.cancel(account, booking_uri=booking.uri, reason=reason),
        now=now,
    )
    return Changed(said=f"Canceled at Calendly. {_SOON}")


def _ask(booking: Booking, call: Callable[[Source, Account], object], *, now: datetime) -> None:
    """Ask the source that told of the booking; one that no longer takes our token is paused, as everywhere."""
    connection = Connection.objects.of_account(booking.account).first()
    if connection is None:
        raise PermanentError(
            "The account that told of this booking is no longer connected.",
            hint="Change it at Calendly.",
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
