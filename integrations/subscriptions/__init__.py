"""Which of our URLs a provider delivers to, and for what: subscribed by a person, looked after by the watchdog."""

from integrations.subscriptions.address import webhook_url
from integrations.subscriptions.ensuring import (
    Ensured,
    Outcome,
    ensure,
    remove,
    rotate,
    unsubscribe,
)
from integrations.subscriptions.judging import judge
from integrations.subscriptions.lease import BusyError
from integrations.subscriptions.probing import PROBE, Checked
from integrations.subscriptions.self_test import self_test
from integrations.subscriptions.watching import Watched, due, refresh, watch

__all__ = [
    "PROBE",
    "BusyError",
    "Checked",
    "Ensured",
    "Outcome",
    "Watched",
    "due",
    "ensure",
    "judge",
    "refresh",
    "remove",
    "rotate",
    "self_test",
    "unsubscribe",
    "watch",
    "webhook_url",
]
