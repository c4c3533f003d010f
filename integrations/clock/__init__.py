"""What rules do so long before a meeting's start or after its end. Nothing is queued ahead: the mirror is the plan.

At each look the database is asked which meetings' moment has come (`looking`), and each is decided once (`moments`,
`ClockEntry`) for the start or end that it has then: a meeting that was moved has another moment, one that was canceled is
not found. What waits to be sent is compared with the meeting again (`sending`); what is `coming` is shown.
"""

from integrations.clock.coming import Coming, coming
from integrations.clock.looking import (
    Drained,
    active,
    clock_rules,
    drain,
    event_of,
    has_rules,
    moments_of,
)
from integrations.clock.moments import in_words, judge, span
from integrations.clock.sending import outdated

__all__ = [
    "Coming",
    "Drained",
    "active",
    "clock_rules",
    "coming",
    "drain",
    "event_of",
    "has_rules",
    "in_words",
    "judge",
    "moments_of",
    "outdated",
    "span",
]
