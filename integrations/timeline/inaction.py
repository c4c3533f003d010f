"""Say why a rule did not act on an event."""

from datetime import UTC

from bookings.models import BookingEvent
from integrations.models import Rule
from integrations.timeline.entries import Withheld


def withheld(rule: Rule, event: BookingEvent, *, said: str = "") -> Withheld:
    """Return why the rule made no delivery of the event: what was written down when it was planned, else what can be told now."""
    is_new = rule.created_at > event.created_at and not said
    reason = said or f"it {_reason(rule, event, is_new=is_new)}"
    return Withheld(rule=rule, name=rule.name, reason=reason, is_new=is_new)


def _reason(rule: Rule, event: BookingEvent, *, is_new: bool) -> str:
    if is_new:
        return f"was made later, on {rule.created_at.astimezone(UTC):%d %b %Y, %H:%M} UTC"
    if event.kind not in rule.kinds:
        return f"acts on {_kinds(rule)} only"
    if not rule.enabled:
        return "is switched off"
    return "would act on such an event now: it was switched off then, or said something else"


def _kinds(rule: Rule) -> str:
    labels = dict(BookingEvent.Kind.choices)
    return ", ".join(str(labels.get(kind, kind)) for kind in rule.kinds) or "nothing"
