"""Tell staff what belongs to no single meeting: an agenda and a report each day, alerts and recoveries.

`plan` looks what there is to tell and writes a row for each message; `drain` sends what is due. A row has a key, and
a channel has a key once: twice is once, whoever looks and however often.
"""

from integrations.notifications.notices import compose, preview
from integrations.notifications.planning import by_hand, plan
from integrations.notifications.sending import drain, has_due, release_expired, retry, send

__all__ = [
    "by_hand",
    "compose",
    "drain",
    "has_due",
    "plan",
    "preview",
    "release_expired",
    "retry",
    "send",
]
