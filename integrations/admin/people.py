"""Which columns of the road's rows may name people; importing it has them covered for who may not see that."""

from dataclasses import replace
from typing import Any

from bookings.covering import hidden, labelled, leaves, register
from bookings.discretion import Discretion
from bookings.meeting import Meeting, Person
from integrations.models import (
    BackfillProblem,
    BackfillRun,
    Connection,
    Delivery,
    DeliveryAttempt,
    DriftFinding,
    DriftRun,
    InboundWebhook,
    Interaction,
    MatchReview,
    Notification,
    Rule,
)

#: Requests and answers are shown to who has this, and may see personal data.
EXCHANGES = "integrations.view_deliveryattempt"

_NAME, _EMAIL, _TEXT = Discretion.name, Discretion.email, Discretion.text


def meeting_for(meeting: Meeting, discretion: Discretion) -> Meeting:
    """Return a meeting as it may be shown."""
    if discretion.is_clear:
        return meeting
    return replace(
        meeting,
        name=meeting.event_type_name,
        invitee_name=discretion.name(meeting.invitee_name),
        email=discretion.email(meeting.email),
        text_reminder_number=discretion.text(meeting.text_reminder_number),
        answers=tuple(replace(one, answer=discretion.text(one.answer)) for one in meeting.answers),
        hosts=tuple(_person(host, discretion) for host in meeting.hosts),
    )


def may_see_exchanges(user: Any) -> bool:
    """Tell whether this person may see what was asked and answered, word for word."""
    return user.has_perm(EXCHANGES) and Discretion.of(user).is_clear


def _person(person: Person, discretion: Discretion) -> Person:
    return replace(person, name=discretion.name(person.name), email=discretion.email(person.email))


def _none(_discretion: Discretion, _value: Any) -> list[Any]:
    return []


def _profile(discretion: Discretion, value: Any) -> dict[str, Any]:
    shown = {"user_name": discretion.name, "user_email": discretion.email}
    return {
        name: shown[name](item or "") if name in shown else item
        for name, item in (value or {}).items()
    }


def _check(discretion: Discretion, value: Any) -> dict[str, Any]:
    return {**value, "said": discretion.text(value["said"])} if value else {}


def _body(_discretion: Discretion, _value: Any) -> bytes:
    return hidden(_discretion, None).encode()


register(Connection, profile=_profile, state_reason=_TEXT, last_error=_TEXT, last_check=_check)
register(Rule, paused_reason=_TEXT)
register(Delivery, result=_TEXT, error=_TEXT, hint=_TEXT, cause=_TEXT, acknowledged_reason=_TEXT)
register(DeliveryAttempt, error=_TEXT, steps=labelled("name"), exchanges=_none, changes=leaves)
register(InboundWebhook, body=_body, headers=leaves, error=_TEXT, outcome=_TEXT)
register(
    Interaction, presser_name=_NAME, presser_email=_EMAIL, presser_id=_TEXT, result=_TEXT, error=_TEXT
)  # fmt: skip
register(MatchReview, question=_TEXT, candidates=labelled("object_type", "remote_id", "url"))
register(DriftRun, error=_TEXT)
register(DriftFinding, fields=leaves)
register(Notification, result=_TEXT, error=_TEXT, steps=labelled("name"), exchanges=_none)
register(BackfillRun, error=_TEXT)
register(BackfillProblem, error=_TEXT)
