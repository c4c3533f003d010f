"""A rule in one sentence, for who has never seen it."""

from collections.abc import Iterator, Sequence

from django.conf import settings
from django.utils.text import Truncator

from bookings.models import BookingEvent
from integrations import clock, conditions
from integrations.connectors.base import connector_class
from integrations.models import Rule

Kind = BookingEvent.Kind

#: What happens to a booking, to follow "a booking is".
_HAPPENS = {
    Kind.BOOKED: "made", Kind.RESCHEDULED: "moved", Kind.CANCELED: "canceled", Kind.UPDATED: "changed otherwise",
    Kind.NO_SHOW: "marked as a no-show", Kind.NO_SHOW_REMOVED: "no longer marked as a no-show",
}  # fmt: skip


#: How much of its conditions a rule's sentence tells.
_MOST = 300


def in_a_sentence(rule: Rule) -> str:
    """Say when a rule does what: "When a booking is made or moved, and only if ..., post a card to #sales."."""
    return f"{_when(rule)}{_if(rule)}, {_what(rule)}."


def details(rule: Rule) -> Iterator[str]:
    """Yield what else is to be known of a rule, a sentence each."""
    if not rule.enabled:
        yield "It is off, and does nothing until it is switched on."
    if rule.clock_kinds:
        yield from _clock(rule)
    if set(rule.kinds) - set(rule.clock_kinds):
        yield from _among_others(rule)


def _among_others(rule: Rule) -> Iterator[str]:
    """Yield what is so of what happens to a booking alone: what the clock brings is asked of one rule, and at its moment."""
    if rule.debounce_seconds:
        yield f"It waits {_seconds(rule.debounce_seconds)} for further changes and tells them together."
    if rule.waits_for:
        yield f"It waits for “{rule.waits_for}”, {_seconds(rule.waits_at_most)} at most."
    if rule.stops:
        yield "Where it acts, the rules further down do not."
    if rule.acts_on_backfill:
        days = rule.backfill_max_age_days
        age = "of any age" if days is None else f"up to {days} days old"
        yield f"It acts on what a backfill finds, too, {age}."


def _clock(rule: Rule) -> Iterator[str]:
    policies = {
        Rule.LatePolicy.SEND: "it acts at once",
        Rule.LatePolicy.SKIP: "it does nothing",
        Rule.LatePolicy.OTHER: f"“{rule.late_rule or 'a rule that is gone'}” acts instead",
    }
    yield f"For a meeting that is booked or moved later than that, {policies[Rule.LatePolicy(rule.late_policy)]}."
    yield f"What is more than {clock.span(rule.grace_minutes)} late is left."


def _if(rule: Rule) -> str:
    if not rule.conditions:
        return ""
    words = conditions.in_words(rule.conditions)
    told = Truncator(words).chars(_MOST) if words else "its conditions hold, which cannot be read"
    return f", and only if {told}"


def _seconds(seconds: int) -> str:
    minutes, left = divmod(seconds, 60)
    return f"{seconds} seconds" if left or not minutes else clock.span(minutes)


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
