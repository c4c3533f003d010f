"""How far a source's connection is set up: connected, allowed, subscribed, backfilled, and what comes next."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from integrations.admin.subscription_health import SubscriptionRow
from integrations.granting import Profile
from integrations.models import BackfillRun, Connection

State = BackfillRun.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Say how far one part of setting up has come.

    `state` is done, next, trouble or later; `operation` names the button that takes the step, `url` and `link` lead to
    the page that does. `at` is when it was found to be so.
    """

    title: str
    state: str
    words: str
    operation: str = ""
    url: str = ""
    link: str = ""
    at: datetime | None = None


def steps(
    connection: Connection,
    *,
    profile: Profile | None,
    is_connected: bool,
    subscriptions: Collection[SubscriptionRow],
    runs: Collection[BackfillRun],
) -> Iterator[Step]:
    """Yield the steps in their order; `runs` are the latest backfills, newest first."""
    yield _connected(connection, profile, is_connected=is_connected)
    if profile and profile.granted is not None:
        yield _allowed(profile)
    yield _subscribed(subscriptions, is_connected=is_connected)
    real = [run for run in runs if not run.dry_run]
    yield _backfilled(real, is_ready=bool(is_connected and subscriptions))


def _connected(connection: Connection, profile: Profile | None, *, is_connected: bool) -> Step:
    title = "Connected"
    if not is_connected:
        words = "Connect by OAuth, or enter a personal access token below."
        return Step(title=title, state="next", words=words, operation="connect")
    if connection.state == Connection.State.PAUSED:
        words = "Paused: nothing is read until it is resumed."
        return Step(title=title, state="trouble", words=words)
    if profile is None:
        words = "A token is stored. Test it: that tells whose it is."
        return Step(title=title, state="next", words=words, operation="test")
    return Step(title=title, state="done", words="The token works.")


def _allowed(profile: Profile) -> Step:
    title, count = "Scopes granted", len(profile.missing)
    if not count:
        return Step(title=title, state="done", words="Everything that is needed.")
    words = f"{count} missing: see below what that costs."
    return Step(title=title, state="trouble", words=words)


def _subscribed(subscriptions: Collection[SubscriptionRow], *, is_connected: bool) -> Step:
    title = "Subscribed"
    troubled = sum(row.is_troubled for row in subscriptions)
    if troubled:
        words = f"{troubled} of {len(subscriptions)} in trouble: see below."
        operation = "subscribe" if any(row.is_lost for row in subscriptions) else ""
        return Step(title=title, state="trouble", words=words, operation=operation)
    if subscriptions:
        return Step(title=title, state="done", words="Bookings arrive by webhook.")
    if is_connected:
        words = "Bookings do not arrive by themselves yet."
        return Step(title=title, state="next", words=words, operation="subscribe")
    return Step(title=title, state="later", words="After connecting.")


def _backfilled(runs: Collection[BackfillRun], *, is_ready: bool) -> Step:
    title = "Backfilled"
    states = [run.state for run in runs]
    if any(state in BackfillRun.UNFINISHED for state in states):
        return Step(title=title, state="later", words="A backfill is running: see below.")
    if states and states[0] in {State.FAILED, State.PARTIAL}:
        words = f"The last one ended {states[0]}: see below."
        return Step(title=title, state="trouble", words=words)
    if State.DONE in states:
        return Step(title=title, state="done", words="What was booked before is here.")
    if is_ready:
        words = "What was booked before is not here yet."
        return Step(title=title, state="next", words=words, operation="backfill")
    return Step(title=title, state="later", words="After subscribing: what was booked before.")
