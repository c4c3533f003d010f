"""How a webhook subscription is, in a badge's colour, a word and a sentence. Pure."""

from datetime import datetime

from django.utils.timesince import timesince

from integrations.models import WebhookSubscription

State = WebhookSubscription.State
#: What is said of one that stays for a while beside its successor.
OUTGOING = "Another has taken its place. It is deleted when what is under way has arrived."
_AGAIN = "Subscribe again; what was missed meanwhile comes with a backfill."


def judge(row: WebhookSubscription, *, now: datetime) -> tuple[str, str, str]:
    """Return the colour, the word and the sentence; what the watchdog wrote down says it best."""
    tone, label, words = _judge(row, now=now)
    return tone, label, row.problem or words


def _judge(row: WebhookSubscription, *, now: datetime) -> tuple[str, str, str]:
    if row.state == State.DISABLED:
        return "danger", "disabled", f"The provider gave up delivering. {_AGAIN}"
    if row.state == State.MISSING:
        return "danger", "not there", f"The provider does not have it. {_AGAIN}"
    if row.retry_started_at:
        since = timesince(row.retry_started_at, now, depth=1)
        return (
            "warning",
            "failing",
            (
                f"The provider has failed to deliver for {since} and gives up after 24 hours: "
                "check that its URL can be reached from outside."
            ),
        )
    if row.problem:
        return "warning", "problem", ""
    return ("info", "being replaced", OUTGOING) if row.is_outgoing else ("success", "active", "")
