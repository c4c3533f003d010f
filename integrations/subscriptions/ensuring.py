"""What a person asks for: subscribe, change the signing key, unsubscribe. Each may be repeated at any time."""

import enum
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from integrations import profiles
from integrations.models import Connection, WebhookSubscription
from integrations.sources.subscribing import Wanted
from integrations.subscriptions.lease import alone
from integrations.subscriptions.look import Look, fits
from integrations.subscriptions.making import (
    end,
    end_strays,
    is_begun,
    make,
    outdated,
    prepare,
    retire,
    retire_and_end,
)


class Outcome(enum.StrEnum):
    """What became of one subscription."""

    KEPT = "kept as it is"
    ADOPTED = "found as it was left"
    MADE = "subscribed"
    REPLACED = "replaced"
    REFUSED = "refused"
    ENDED = "deleted"
    NEW_KEY = "has a new key"
    SAME_KEY = "keeps its key, for the app's in the settings is still the same: change it there and restart first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensured:
    """Say what became of a subscription."""

    outcome: Outcome
    subscription: WebhookSubscription

    def __str__(self) -> str:
        said = f"{self.subscription.get_purpose_display()}: {self.outcome}"
        return f"{said}. {self.subscription.problem}" if self.outcome is Outcome.REFUSED else said


def ensure(connection: Connection, *, now: datetime) -> list[Ensured]:
    """Subscribe what the connection should have, and end what it should have no longer.

    Idempotent: compares URL, events, scope and target with what the provider lists, and adopts what a lost answer left.

    Raises:
        IntegrationError: the provider does not answer, or refuses us; BusyError while somebody else is at it.
    """
    with alone(connection, now=now):
        profiles.introduce(connection, now=now)
        look = Look.at(connection, now=now)
        rows = look.rows()
        unnamed = {row.pk for row in rows if not row.uri}
        look.note_all(rows)
        wanted = look.port.wanted(look.account)
        otherwise_signed = _take_shared_key(look, rows)
        fit = [row for row in rows if row.pk not in otherwise_signed]
        # All are written before the first is asked for: what is left undone here, the watchdog does.
        rows += [prepare(look, item) for item in wanted if not _is_met(look, fit, item)]
        found, replaced = [], []
        for item in wanted:
            group = [row for row in rows if row.purpose == item.purpose]
            done = _ensure(look, item, group, fit=fit, unnamed=unnamed)
            found.append(done)
            replaced += outdated(look, group, keep=done.subscription)
        unwanted = [row for row in rows if row.purpose not in {item.purpose for item in wanted}]
        retire_and_end(look, replaced)
        found += [_end(look, row) for row in unwanted]
        retire(look, unwanted)
        return found


def rotate(connection: Connection, *, now: datetime) -> list[Ensured]:
    """Change the signing keys of what is subscribed; the keys before them stay valid.

    Where each subscription has a key of its own, it gets a successor at a new URL, and the watchdog deletes it when what
    is under way has arrived. A shared key is read from the settings, where it was changed before.

    Raises:
        IntegrationError: as `ensure`.
    """
    if not _is_managed(connection):
        return []
    with alone(connection, now=now):
        look = Look.at(connection, now=now)
        rows = look.rows()
        look.note_all(rows)
        if look.port.shares_key(look.account):
            return [_exchange_key(look, row) for row in rows if row.uri]
        wanted = {item.purpose: item for item in look.port.wanted(look.account)}
        found, replaced = [], []
        for purpose, same in groupby(sorted(rows, key=attrgetter("purpose")), attrgetter("purpose")):  # fmt: skip
            group = list(same)
            if purpose in wanted and any(row.uri for row in group):
                done = _told(make(look, wanted[purpose]), Outcome.NEW_KEY)
                found.append(done)
                replaced += outdated(look, group, keep=done.subscription)
        retire_and_end(look, replaced)
        return found


def unsubscribe(connection: Connection, *, now: datetime) -> list[Ensured]:
    """Delete all that Calsync subscribed, and retire the rows; what was entered by hand stays.

    Raises:
        IntegrationError: as `ensure`.
    """
    if not _is_managed(connection):
        return []
    with alone(connection, now=now):
        look = Look.at(connection, now=now)
        rows = look.rows()
        look.note_all(rows)
        found = [_end(look, row) for row in rows]
        end_strays(look, rows)
        retire(look, rows)
        return found


def remove(subscription: WebhookSubscription, *, now: datetime) -> Ensured:
    """Delete one subscription, also one that was entered by hand, and retire its row.

    Raises:
        IntegrationError: as `ensure`.
    """
    with alone(subscription.connection, now=now):
        look = Look.at(subscription.connection, now=now)
        look.note_all([subscription])
        done = _end(look, subscription)
        retire(look, [subscription])
        return done


def _is_managed(connection: Connection) -> bool:
    """Tell whether Calsync ever subscribed it."""
    return connection.subscriptions.filter(managed=True).exists()


def _is_met(look: Look, rows: list[WebhookSubscription], wanted: Wanted) -> bool:
    """Tell whether a row is there already that is what is wanted, or can become it."""
    same = [row for row in rows if row.purpose == wanted.purpose]
    return any(_is_kept(look, row, wanted) or is_begun(row, wanted) for row in same)


def _is_kept(look: Look, row: WebhookSubscription, wanted: Wanted) -> bool:
    return look.is_healthy(row) and fits(look.remote(row), wanted)


def _ensure(
    look: Look,
    wanted: Wanted,
    rows: list[WebhookSubscription],
    *,
    fit: list[WebhookSubscription],
    unnamed: set[int],
) -> Ensured:
    for row in rows:
        if row in fit and _is_kept(look, row, wanted):
            return _told(row, Outcome.ADOPTED if row.pk in unnamed else Outcome.KEPT)
    replaces = any(row.uri for row in rows)
    made = make(look, wanted, unfinished=rows)
    return _told(made, Outcome.REPLACED if replaces else Outcome.MADE)


def _told(row: WebhookSubscription, outcome: Outcome) -> Ensured:
    return Ensured(outcome=outcome if row.uri else Outcome.REFUSED, subscription=row)


def _end(look: Look, row: WebhookSubscription) -> Ensured:
    end(look, row)
    return Ensured(outcome=Outcome.ENDED, subscription=row)


def _take_shared_key(look: Look, rows: list[WebhookSubscription]) -> set[int]:
    """Give a shared key to the rows that lack it; return those that were made and may go on to be signed with another.

    They were made with a token that has keys of its own, before the account was connected by OAuth, or the shared key
    was changed since.
    """
    if not look.port.shares_key(look.account):
        return set()
    key = look.port.new_signing_key(look.account)
    lacking = [row for row in rows if key not in row.signing_keys.values()]
    for row in lacking:
        _exchange_key(look, row)
    return {row.pk for row in lacking if row.uri}


def _exchange_key(look: Look, row: WebhookSubscription) -> Ensured:
    new, current = look.port.new_signing_key(look.account), row.signing_keys.get("current", "")
    if new == current:
        return Ensured(outcome=Outcome.SAME_KEY, subscription=row)
    row.set_signing_keys(current=new, previous=current)
    row.save(update_fields=["sealed_keys"])
    return Ensured(outcome=Outcome.NEW_KEY, subscription=row)
