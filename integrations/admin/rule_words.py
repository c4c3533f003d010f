"""A rule in one sentence, for who has never seen it."""

from collections.abc import Sequence

from django.conf import settings

from bookings.models import BookingEvent
from integrations import clock
from integrations.connectors.base import connector_class
from integrations.models import Rule

Kind = BookingEvent.Kind

#: What happens to a booking, to follow "a booking is".
_HAPPENS = {
    Kind.BOOKED: "made", Kind.RESCHEDULED: "moved", Kind.CANCELED: "canceled", Kind.UPDATED: "changed otherwise",
    Kind.NO_SHOW: "marked as a no-show", Kind.NO_SHOW_REMOVED: "no longer marked as a no-show",
}  # fmt: skip


def in_a_sentence(rule: Rule) -> str:
    """Say when a rule does what: "When a booking is made or moved, post a card to #sales in Slack."."""
    return f"{_when(rule)}, {_what(rule)}."


def _when(rule: Rule) -> str:
    happens = [words for kind, words in _HAPPENS.items() if kind in rule.kinds]
    parts = []
    if len(happens) == len(_HAPPENS):
        parts.append("when anything happens to a booking")
    elif happens:
        parts.append(f"when a booking is {_or(happens)}")
    if Kind.ROUTING_FORM_SUBMITTED in rule.kinds:
        parts.append("when a routing form is submitted")
    parts += clock.in_words(rule)
    said = " or ".join(parts) or "only where another rule names it"
    return f"{said[:1].upper()}{said[1:]}"


def _what(rule: Rule) -> str:
    if rule.connection.provider not in settings.CONNECTORS:
        return f"do what is not installed: {rule.action}"
    return connector_class(rule.connection.provider).in_words(rule.action, rule.options)


def _or(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
