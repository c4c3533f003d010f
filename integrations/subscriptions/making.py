"""Making a subscription and ending others, in the order that loses nothing: make, retire, delete.

The row is written before the provider is asked. Whatever dies in between, the next look finds the row and, at its URL,
what became of it; what was retired and is still there is a stray.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction

from integrations import backfill
from integrations.errors import AccessError, PermanentError
from integrations.models import BackfillRun, WebhookSubscription
from integrations.sources.subscribing import Remote, TakenError, Wanted
from integrations.subscriptions.address import token_in, webhook_url
from integrations.subscriptions.look import Look, State, fits, write
from integrations.subscriptions.probing import probe

logger = logging.getLogger(__name__)

#: How long a healthy subscription goes on beside the one that takes its place: what is under way arrives.
SETTLE = timedelta(minutes=1)


def make(look: Look, wanted: Wanted, *, unfinished: Iterable[WebhookSubscription] = ()) -> WebhookSubscription:  # fmt: skip
    """Subscribe a new URL with a new key, or go on with a row that was not finished; return the row.

    An optional one that the provider refuses is returned with its problem.

    Raises:
        IntegrationError: the provider does not answer, or refuses what is not optional.
    """
    begun = next((row for row in unfinished if is_begun(row, wanted)), None)
    row = begun or prepare(look, wanted)
    url = webhook_url(row)
    try:
        remote = look.port.create(
            look.account, wanted, url=url, signing_key=row.signing_keys["current"]
        )
    except (AccessError, PermanentError) as error:
        if begun and isinstance(error, TakenError):  # whoever has this URL, nobody has the next one
            retire(look, [begun])
            return make(look, wanted)
        problem = f"{error} {error.hint}".strip()
        if problem != row.problem:
            logger.warning("Subscription refused: subscription=%s", row.pk)
        write(row, problem=problem, checked_at=look.now)
        if not wanted.optional:
            raise
        return row
    write(
        row, uri=remote.uri, callback_url=url, state=State.ACTIVE, problem="", checked_at=look.now,
        well_at=look.now,
    )  # fmt: skip
    logger.info("Subscribed: subscription=%s purpose=%s", row.pk, row.purpose)
    return row


def end(look: Look, row: WebhookSubscription) -> None:
    """Delete a subscription at the provider, if it has exactly the row's URL there.

    Raises:
        IntegrationError: the provider does not answer, or refuses.
    """
    remote = look.remote(row)
    if remote is not None:
        look.port.delete(look.account, uri=remote.uri)
        look.deleted.add(remote.uri)
        write(row, state=State.MISSING)
    elif row.uri:
        logger.warning("Not deleted, for it was not listed: subscription=%s", row.pk)


def outdated(
    look: Look, rows: Iterable[WebhookSubscription], *, keep: WebhookSubscription | None
) -> list[WebhookSubscription]:
    """Return the rows that `keep` takes the place of; a healthy one may stay for a while.

    Deleting may drop what the provider is about to deliver, so a healthy one goes when it has nothing under way. It
    stays for good where what should take its place was refused.
    """
    found = []
    for row in rows:
        if row == keep or (look.is_healthy(row) and keep and not keep.uri):
            continue
        if not look.is_healthy(row) or _may_end(look, row, keep=keep):
            found.append(row)
    return found


def retire_and_end(look: Look, rows: Iterable[WebhookSubscription]) -> BackfillRun | None:
    """Retire rows and delete what they stand for; what they missed is read again, whatever the deletion comes to.

    Raises:
        TemporaryError: the provider does not answer; what is left there is a stray at the next look.
    """
    rows = list(rows)
    run = _retire_replaced(look, rows)
    for row in rows:
        try:
            end(look, row)
        except (AccessError, PermanentError) as error:
            logger.warning("Not deleted: subscription=%s error=%s", row.pk, type(error).__name__)
            write(row, problem=f"{error} Delete it at {look.label}: {row.uri}")
    return run


def end_strays(look: Look, rows: Iterable[WebhookSubscription]) -> int:
    """Delete what delivers to a URL of ours that no longer counts, never anything else; return how many.

    A token that this database does not know may be another installation's that has the same public URL in its
    settings: it is a stray only when that URL leads here, where nobody would take what is delivered to it. `rows` are
    those to try it with.
    """
    provider = look.connection.provider
    there = (remote for remote in look.listed if remote.uri not in look.deleted)
    ours = [remote for remote in there if token_in(remote.url, provider=provider)]
    owners = {remote.uri: _owner(look, remote) for remote in ours}
    strays = [remote for remote in ours if (row := owners[remote.uri]) and _is_left(look, row)]
    unknown = [remote for remote in ours if owners[remote.uri] is None]
    if unknown and _leads_here(look, rows):
        strays += unknown
    return sum(_end_stray(look, remote, owners[remote.uri]) for remote in strays)


def retire(look: Look, rows: Iterable[WebhookSubscription]) -> None:
    """Retire rows. What was under way to their URLs is taken for as long as a provider tries: the keys stay."""
    for row in rows:
        write(row, retired_at=look.now, retry_started_at=None, problem=_left(look, row))
        logger.info("Subscription retired: subscription=%s", row.pk)


def is_begun(row: WebhookSubscription, wanted: Wanted) -> bool:
    """Tell whether the row stands for what is wanted, and was not made or its answer got lost."""
    return not row.uri and fits(row, wanted)


def prepare(look: Look, wanted: Wanted) -> WebhookSubscription:
    """Write the row of a subscription that is to be made, with its URL and key."""
    row = WebhookSubscription(
        connection=look.connection, managed=True, state=State.MISSING, purpose=wanted.purpose,
        scope=wanted.scope, target=wanted.target, events=list(wanted.events),
    )  # fmt: skip
    row.set_signing_keys(current=look.port.new_signing_key(look.account))
    row.save()
    return row


def _may_end(look: Look, row: WebhookSubscription, *, keep: WebhookSubscription | None) -> bool:
    settled = keep is None or keep.created_at <= look.now - SETTLE
    return settled and row.retry_started_at is None


@transaction.atomic
def _retire_replaced(look: Look, rows: list[WebhookSubscription]) -> BackfillRun | None:
    """Retire rows together with the start of a backfill, if one of them had been dead: what it missed is read."""
    gaps = [row.well_at or row.created_at for row in rows if row.uri and not look.is_healthy(row)]
    retire(look, rows)
    if not gaps:
        return None
    trigger = BackfillRun.Trigger.GAP
    return backfill.start_usual(look.connection, trigger=trigger, now=look.now, since=min(gaps))


def _owner(look: Look, remote: Remote) -> WebhookSubscription | None:
    token = token_in(remote.url, provider=look.connection.provider)
    return WebhookSubscription.objects.filter(token=token).first() if token else None


def _is_left(look: Look, row: WebhookSubscription) -> bool:
    """Tell whether a row is this connection's and was retired, so that nothing should be there any longer."""
    return row.retired_at is not None and row.connection_id == look.connection.pk


def _leads_here(look: Look, rows: Iterable[WebhookSubscription]) -> bool:
    row = next(iter(rows), None)
    if row is not None and probe(row, now=look.now).ok:
        return True
    logger.warning(
        "Subscriptions that are not known here are left alone, for the public URL does not lead here: connection=%s",
        look.connection.pk,
    )
    return False


def _end_stray(look: Look, remote: Remote, row: WebhookSubscription | None) -> bool:
    """Delete it and return whether that was allowed."""
    try:
        look.port.delete(look.account, uri=remote.uri)
    except (AccessError, PermanentError) as error:
        kind = type(error).__name__
        logger.warning("Stray not deleted: connection=%s error=%s", look.connection.pk, kind)
        return False
    if row is not None:
        write(row, state=State.MISSING)
    logger.warning("Stray subscription deleted: connection=%s", look.connection.pk)
    return True


def _left(look: Look, row: WebhookSubscription) -> str:
    if not row.uri or look.remote(row):
        return ""
    return f"{look.label} did not list it with this address. If it is still there, delete it there: {row.uri}"
