"""One look at the provider: what it lists, compared with our rows and noted in them."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from django.db.models import Q

from integrations.errors import ConfigurationError
from integrations.models import Account, Connection, WebhookSubscription
from integrations.sources.base import get_source
from integrations.sources.subscribing import Remote, Subscriptions, Wanted
from integrations.subscriptions.address import webhook_url
from integrations.subscriptions.lasting import rest_of

logger = logging.getLogger(__name__)

State = WebhookSubscription.State

_UNFIT = (
    "Settings or account ask for other events or another scope by now. Press Subscribe on the connection: it is "
    "replaced without a gap."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Hold what the provider listed at `now`, what of it was deleted since, and what is needed to act on it."""

    connection: Connection
    account: Account
    port: Subscriptions
    label: str
    listed: tuple[Remote, ...]
    now: datetime
    deleted: set[str] = field(default_factory=set)

    @classmethod
    def at(cls, connection: Connection, *, now: datetime) -> Self:
        """Ask the provider which subscriptions there are.

        Lists are of today's scopes. What was made in another one, before the settings changed, is asked for by name.

        Raises:
            IntegrationError: it does not answer, or refuses us.
        """
        source, account = get_source(connection.provider), connection.open_account()
        port = source.subscriptions
        listed = port.listed(account)
        missed = _uris(connection) - {remote.uri for remote in listed}
        found = (port.find(account, uri=uri) for uri in sorted(missed))
        return cls(
            connection=connection, account=account, port=port, label=source.label,
            listed=(*listed, *filter(None, found)), now=now,
        )  # fmt: skip

    def remote(self, row: WebhookSubscription) -> Remote | None:
        """Return the subscription of exactly the row's URL."""
        url = webhook_url(row)
        return next((remote for remote in self.listed if remote.url == url), None)

    def is_healthy(self, row: WebhookSubscription) -> bool:
        """Tell whether the provider delivers to the row's URL, or tries to."""
        remote = self.remote(row)
        return remote is not None and _state(remote) == State.ACTIVE

    def is_elsewhere(self, row: WebhookSubscription) -> bool:
        """Tell whether the row's subscription has another URL than ours.

        The public URL was changed, or this database is a copy of another installation's, whose subscriptions are
        not ours to touch.
        """
        own = webhook_url(row)
        return row.callback_url not in {"", own} or any(
            row.uri and remote.uri == row.uri and remote.url != own for remote in self.listed
        )

    def is_refused(self, row: WebhookSubscription) -> bool:
        """Tell whether the provider did not want to make it; only a person tries that again."""
        return not row.uri and bool(row.problem)

    def rows(self) -> list[WebhookSubscription]:
        """Return the managed rows that are not retired, newest first."""
        rows = self.connection.subscriptions.filter(managed=True, retired_at=None)
        return list(rows.select_related("connection").order_by("-id"))

    def note_all(self, rows: Iterable[WebhookSubscription]) -> None:
        """Write into each row what the provider says of it."""
        for row in rows:
            self._note(row)

    def note_gone(self) -> None:
        """Write into the retired rows that what they stood for is gone, so that it is asked for no more."""
        retired = self.connection.subscriptions.filter(managed=True, retired_at__isnull=False)
        there = [remote.uri for remote in self.listed]
        retired.exclude(state=State.MISSING).exclude(uri__in=there).update(state=State.MISSING)

    def _note(self, row: WebhookSubscription) -> None:
        remote = self.remote(row)
        state = State.MISSING if remote is None else _state(remote)
        failing_since = remote.retry_started_at if remote else None
        _warn(row, state=state, failing_since=failing_since)
        changes: dict[str, Any] = {"state": state, "retry_started_at": failing_since, "checked_at": self.now}  # fmt: skip
        if remote:
            changes |= {"uri": remote.uri, "callback_url": remote.url}
        if state == State.ACTIVE and not failing_since:
            changes["well_at"] = self.now
        if remote or row.uri:
            changes["problem"] = self._problem(row, state=state, failing_since=failing_since)
        write(row, **changes)

    def _problem(
        self, row: WebhookSubscription, *, state: str, failing_since: datetime | None
    ) -> str:
        """Return what is wrong and what to do, in words."""
        if self.is_elsewhere(row):
            return (
                f"{self.label} delivers to another address. Subscribe again if the public URL was changed; "
                "leave it if this is a copy of another installation."
            )
        if state == State.ACTIVE and failing_since:
            return _failing(self.label, failing_since)
        if state == State.ACTIVE:
            return "" if self._is_as_asked(row) else _UNFIT
        told = "has disabled it" if state == State.DISABLED else "does not list it"
        rest = rest_of(row, now=self.now) if row.managed else None
        if rest and rest.until > self.now:
            return f"{self.label} {told}. {rest}"
        if row.managed:
            return f"{self.label} {told}. It is replaced as soon as {self.label} can be asked."
        return (
            f"{self.label} {told}: nothing arrives. It was entered by hand: press Subscribe on the connection, "
            "then start a backfill."
        )

    def _is_as_asked(self, row: WebhookSubscription) -> bool:
        """Tell whether a managed one is what settings and account ask for by now, as far as they say."""
        try:
            wanted = self.port.wanted(self.account)
        except ConfigurationError:
            return True
        return not row.managed or any(
            item.purpose == row.purpose and fits(self.remote(row), item) for item in wanted
        )


def _uris(connection: Connection) -> set[str]:
    """Return the names of the subscriptions that we made, and have not seen to be gone."""
    there = Q(retired_at=None) | ~Q(state=State.MISSING)
    rows = connection.subscriptions.filter(there, managed=True).exclude(uri="")
    return set(rows.values_list("uri", flat=True))


def write(row: WebhookSubscription, **changes: Any) -> None:
    """Store these fields and no others."""
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=list(changes))


def fits(remote: Remote | WebhookSubscription | None, wanted: Wanted) -> bool:
    """Tell whether a subscription has the wanted events, scope and target."""
    return (
        remote is not None
        and set(remote.events) == set(wanted.events)
        and (remote.scope, remote.target) == (wanted.scope, wanted.target)
    )


def _state(remote: Remote) -> str:
    """Return the state as ours; one that is not told, or not known here, is no reason to replace it."""
    return State.DISABLED if remote.state == State.DISABLED else State.ACTIVE


def _failing(label: str, since: datetime) -> str:
    return (
        f"{label} has failed to deliver since {since:%d %b %Y, %H:%M} UTC, tries again for a day and then disables "
        "it. Run the self-test: it says what stands in the way."
    )


def _warn(row: WebhookSubscription, *, state: str, failing_since: datetime | None) -> None:
    """Log what changed since the last look, once."""
    if failing_since and failing_since != row.retry_started_at:
        logger.warning(
            "The provider fails to deliver: subscription=%s since=%s",
            row.pk,
            failing_since.isoformat(),
        )
    if row.retry_started_at and not failing_since and state == State.ACTIVE:
        logger.warning("The provider delivers again: subscription=%s", row.pk)
    if state not in {State.ACTIVE, row.state}:
        logger.warning("Nothing is delivered: subscription=%s state=%s", row.pk, state)
