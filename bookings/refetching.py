"""Notes to ask the source again: written with the state that needs it, taken back when the need is gone."""

from datetime import timedelta

from bookings.models import RefetchRequest
from bookings.origin import Origin

Reason = RefetchRequest.Reason


def ask(
    booking_uri: str,
    reason: RefetchRequest.Reason,
    *,
    subject: str,
    origin: Origin,
    delay: timedelta = timedelta(0),
) -> None:
    """Note that the booking should be read again after `delay`; a note that exists already stays as it is."""
    request = RefetchRequest(
        booking_uri=booking_uri, reason=reason, subject_uri=subject, account=origin.account,
        due_at=origin.now + delay, created_at=origin.now,
    )  # fmt: skip
    RefetchRequest.objects.bulk_create([request], ignore_conflicts=True)


def settle(reason: RefetchRequest.Reason, *, subject: str) -> None:
    """Take back every note of this reason about the subject."""
    RefetchRequest.objects.filter(reason=reason, subject_uri=subject).delete()


def booking_uri_of(invitee_uri: str) -> str:
    """Return the booking's URI that an invitee's URI is nested in, or an empty text where it is not.

    Source: https://developer.calendly.com/api-docs (`/scheduled_events/{event}/invitees/{invitee}`)
    """
    booking_uri, nested, _ = invitee_uri.partition("/invitees/")
    return booking_uri if nested else ""
