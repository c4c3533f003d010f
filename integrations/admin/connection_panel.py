"""What a source's connection tells in five seconds: who, whether all of it works, and what comes next."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from integrations import backfill, budget, grants
from integrations.admin.connection_form import stored_secrets
from integrations.admin.connection_steps import Step, steps
from integrations.admin.providers import get_provider
from integrations.admin.scopes import ScopeRow, scope_rows
from integrations.admin.subscription_health import SubscriptionRow, subscription_rows
from integrations.budget import Budget
from integrations.granting import Profile
from integrations.models import BackfillRun, Connection

#: Backfills that the page shows.
RUNS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """Hold a backfill, and how many percent of it are read while it goes on."""

    run: BackfillRun
    percent: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """Show a request budget: how much is spent, and how much of the rest is kept for live traffic."""

    budget: Budget

    @property
    def spent(self) -> int:
        """Return how many requests of the window are spent."""
        return self.budget.limit - self.budget.remaining

    @property
    def spent_percent(self) -> int:
        """Return the share of the limit that is spent."""
        return round(100 * self.spent / self.budget.limit)

    @property
    def reserve_percent(self) -> int:
        """Return the share of the limit that is left and kept for live traffic."""
        kept = min(self.budget.reserve, self.budget.remaining)
        return round(100 * kept / self.budget.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Hold everything that the page shows above the form of a source's connection."""

    profile: Profile | None
    token: str
    is_connected: bool
    steps: tuple[Step, ...]
    scopes: tuple[ScopeRow, ...]
    gauge: Gauge | None
    subscriptions: tuple[SubscriptionRow, ...]
    retired: int
    runs: tuple[RunRow, ...]


def panel(connection: Connection, *, now: datetime) -> Panel:
    """Return what the page of a source's connection shows."""
    is_connected = grants.has_token(connection)
    profile = known_profile(connection.profile)
    subscriptions = subscription_rows(connection, now=now)
    runs = list(connection.backfill_runs.order_by("-id")[:RUNS_SHOWN])
    taken = steps(
        connection, profile=profile, is_connected=is_connected, subscriptions=subscriptions, runs=runs
    )  # fmt: skip
    return Panel(
        profile=profile,
        token=_token_in_words(connection, now=now),
        is_connected=is_connected,
        steps=tuple(taken),
        scopes=scope_rows(profile, get_provider(connection.provider).scope_purposes)
        if profile
        else (),
        gauge=_gauge(connection) if is_connected else None,
        subscriptions=subscriptions,
        retired=connection.subscriptions.filter(retired_at__isnull=False).count(),
        runs=tuple(_run_rows(runs, now=now)),
    )


def known_profile(stored: Mapping[str, Any]) -> Profile | None:
    """Return a connection's stored profile, or None while the provider was not asked yet."""
    names = {item.name for item in fields(Profile)}
    values = {name: value for name, value in stored.items() if name in names}
    for name in ("granted", "needed"):
        if isinstance(values.get(name), list):
            values[name] = tuple(values[name])
    try:
        return Profile(**values)
    except TypeError:
        return None


def _token_in_words(connection: Connection, *, now: datetime) -> str:
    if not stored_secrets(connection).get("refresh_token"):
        return "Personal access token, which does not expire"
    ends = connection.token_expires_at
    if ends is None or ends <= now:
        return "OAuth; the access token is renewed when it is next used"
    return f"OAuth; the access token ends at {ends:%H:%M} UTC and is renewed by itself"


def _gauge(connection: Connection) -> Gauge | None:
    found = budget.look(connection.pk)
    return Gauge(budget=found) if found and found.limit > 0 else None


def _run_rows(runs: Collection[BackfillRun], *, now: datetime) -> Iterator[RunRow]:
    for run in runs:
        goes_on = run.state in BackfillRun.UNFINISHED
        fraction = backfill.progress(run, now=now).fraction if goes_on else None
        yield RunRow(run=run, percent=None if fraction is None else int(fraction * 100))
