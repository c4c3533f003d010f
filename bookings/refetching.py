"""Notes to ask the source again: written with the state that needs it, taken back when the need is gone."""

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Q

from bookings.models import RefetchRequest
from bookings.origin import Origin

Reason = RefetchRequest.Reason


class Notes:
    """Collect what a batch of snapshots needs to ask about and no longer needs, then write it at once."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._asked: dict[tuple[RefetchRequest.Reason, str], RefetchRequest] = {}
        self._settled: set[tuple[RefetchRequest.Reason, str]] = set()

    def ask(
        self,
        object_uri: str,
        reason: RefetchRequest.Reason,
        *,
        subject: str,
        delay: timedelta = timedelta(0),
    ) -> None:
        """Note that the object should be read again after `delay`; a note that exists already stays as it is."""
        origin = self._origin
        self._settled.discard((reason, subject))
        self._asked[reason, subject] = RefetchRequest(
            object_uri=object_uri, reason=reason, subject_uri=subject, account=origin.account,
            due_at=origin.now + delay, silent=origin.silent, created_at=origin.now,
        )  # fmt: skip

    def settle(self, reason: RefetchRequest.Reason, *, subject: str) -> None:
        """Take back every note of this reason about the subject."""
        self._asked.pop((reason, subject), None)
        self._settled.add((reason, subject))

    def write(self) -> None:
        """Write all of it; a note of a silent origin speaks up, and is due sooner, once another origin asks the same."""
        if self._settled:
            RefetchRequest.objects.filter(_any(self._settled)).delete()
        if self._asked:
            RefetchRequest.objects.bulk_create(self._asked.values(), ignore_conflicts=True)
            self._speak_up()

    def _speak_up(self) -> None:
        if self._origin.silent:
            return
        for quiet in RefetchRequest.objects.filter(_any(self._asked), silent=True):
            asked = self._asked[RefetchRequest.Reason(quiet.reason), quiet.subject_uri]
            RefetchRequest.objects.filter(pk=quiet.pk).update(silent=False, due_at=asked.due_at)


def aloud(subjects: Iterable[str]) -> set[str]:
    """Return those of the subjects that a webhook or a person left a note about: its answer is not silent."""
    notes = RefetchRequest.objects.filter(subject_uri__in=set(subjects), silent=False)
    return set(notes.values_list("subject_uri", flat=True))


def _any(keys: Iterable[tuple[RefetchRequest.Reason, str]]) -> Q:
    subjects: dict[RefetchRequest.Reason, list[str]] = {}
    for reason, subject in sorted(keys):
        subjects.setdefault(reason, []).append(subject)
    wanted = Q()
    for reason, uris in subjects.items():
        wanted |= Q(reason=reason, subject_uri__in=uris)
    return wanted


def booking_uri_of(invitee_uri: str) -> str:
    """Return the booking's URI that an invitee's URI is nested in, or an empty text where it is not.

    Source: https://developer.calendly.com/api-docs (`/scheduled_events/{event}/invitees/{invitee}`)
    """
    booking_uri, nested, _ = invitee_uri.partition("/invitees/")
    return booking_uri if nested else ""
