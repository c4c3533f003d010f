"""Say why a rule did not act on an event, as far as the rule as it is now can tell."""

from datetime import UTC

from bookings.models import BookingEvent
from integrations import rules
from integrations.models import Rule
from integrations.timeline.entries import Withheld


def withheld(rule: Rule, event: BookingEvent) -> Withheld:
    """Return why the rule made no delivery of the event; the reason goes on from "it"."""
    is_new = rule.created_at > event.created_at
    return Withheld(rule=rule, reason=_reason(rule, event, is_new=is_new), is_new=is_new)


def _reason(rule: Rule, event: BookingEvent, *, is_new: bool) -> str:
    if is_new:
        return f"was made later, on {rule.created_at.astimezone(UTC):%d %b %Y, %H:%M} UTC"
    if event.kind not in rule.kinds:
        return f"acts on {_kinds(rule)} only"
    if not rule.enabled:
        return "is switched off"
    return (
        rules.withheld(rule, event, now=event.created_at)
        or "would act on such an event now: it was switched off then, or said something else"
    )


def _kinds(rule: Rule) -> str:
    labels = dict(BookingEvent.Kind.choices)
    return ", ".join(str(labels.get(kind, kind)) for kind in rule.kinds) or "nothing"
