"""What to do first on an empty installation: each step, whether it is taken, and what it is for."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from integrations import grants
from integrations.overview.standings import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Name one step; `connection_id` is whose page takes it, None while there is none."""

    name: str
    title: str
    words: str
    is_done: bool
    connection_id: int | None = None


def steps(rows: Collection[Standing]) -> tuple[Step, ...]:
    """Return the steps in their order, as far as each connection has come."""
    return tuple(
        _steps([row for row in rows if row.is_source], [row for row in rows if not row.is_source])
    )


def _steps(sources: list[Standing], targets: list[Standing]) -> Iterator[Step]:
    source = sources[0].connection.pk if sources else None
    target = targets[0].connection.pk if targets else None
    yield Step(
        name="connect", title="Connect Calendly", words="Where bookings come from.", connection_id=source,
        is_done=any(grants.has_token(row.connection) for row in sources),
    )  # fmt: skip
    yield Step(
        name="subscribe", title="Subscribe", words="New bookings then arrive by themselves.", connection_id=source,
        is_done=any(row.subscriptions for row in sources),
    )  # fmt: skip
    yield Step(
        name="backfill", title="Backfill", words="Reads what was booked before.", connection_id=source,
        is_done=any(row.run_state for row in sources),
    )  # fmt: skip
    yield Step(
        name="destination", title="Add a destination", words="Salesforce, Slack, e-mail, a webhook or a REST interface.",
        is_done=bool(targets),
    )  # fmt: skip
    yield Step(
        name="rule", title="Add a rule", words="Says what is carried there, and when.", connection_id=target,
        is_done=any(row.has_rule for row in targets),
    )  # fmt: skip
