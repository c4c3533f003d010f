"""The self-test of a subscription: its state over there, a sample read here, and a probe through our own front door."""

from collections.abc import Callable
from datetime import datetime

from integrations.errors import IntegrationError
from integrations.models import WebhookSubscription
from integrations.sources.base import NotUnderstood, get_source
from integrations.sources.subscribing import Wanted
from integrations.subscriptions.look import Look
from integrations.subscriptions.probing import Checked, probe


def self_test(subscription: WebhookSubscription, *, now: datetime) -> list[Checked]:
    """Check all that a delivery needs; of the sample nothing is stored, the probe is stored and ignored."""
    checks: list[tuple[str, Callable[[], Checked]]] = [
        ("State", lambda: _state(subscription, now=now)),
        ("Sample", lambda: _sample(subscription, now=now)),
        ("Probe", lambda: probe(subscription, now=now)),
    ]
    return [_run(name, check) for name, check in checks]


def _run(name: str, check: Callable[[], Checked]) -> Checked:
    try:
        return check()
    except IntegrationError as error:
        return Checked(name=name, ok=False, detail=str(error), hint=error.hint)


def _state(subscription: WebhookSubscription, *, now: datetime) -> Checked:
    look = Look.at(subscription.connection, now=now)
    look.note_all([subscription])
    if subscription.problem or subscription.state != WebhookSubscription.State.ACTIVE:
        said = subscription.problem or f"{look.label} does not list it."
        is_there = subscription.state == WebhookSubscription.State.ACTIVE
        hint = "" if is_there else "Press Subscribe on the connection."
        return Checked(name="State", ok=False, detail=said, hint=hint)
    told = ", ".join(subscription.events) or "no events noted"
    return Checked(name="State", ok=True, detail=f"Active at {look.label}: {told}.")


def _sample(subscription: WebhookSubscription, *, now: datetime) -> Checked:
    source = get_source(subscription.connection.provider)
    wanted = Wanted(
        purpose=subscription.purpose, scope=subscription.scope, target=subscription.target,
        events=tuple(subscription.events),
    )  # fmt: skip
    body = source.subscriptions.sample(subscription.connection.open_account(), wanted)
    if body is None:
        return Checked(name="Sample", ok=True, detail=f"{source.label} has none: nothing was booked yet.")  # fmt: skip
    understood = not isinstance(source.parse(body, received_at=now), NotUnderstood)
    said = source.subscriptions.explain(body, now=now)
    hint = "" if understood else "Report it: Calsync should read what the provider sends."
    return Checked(name="Sample", ok=understood, detail=said, hint=hint)
