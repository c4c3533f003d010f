"""Presses of buttons, as they came: stored by the view, carried out once by workers, and answered.

A press is taken by moving its `due_at` on, which is its lease: whoever dies leaves it to the next one, who looks before
doing anything again. What was done, what follows from it and the end of the press commit together; then the person is
told, and told again where nobody knows whether they were.
"""

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, QuerySet

from integrations import accounts
from integrations.at_source import NotNowError
from integrations.connectors.base import Connector, Press, PressAction
from integrations.errors import ConfigurationError, IntegrationError, TemporaryError
from integrations.interactions import authority, deeds
from integrations.interactions.authority import Actor, RefusedError
from integrations.interactions.deeds import Ending
from integrations.models import Connection, Interaction

logger = logging.getLogger(__name__)

State = Interaction.State

#: Waits between tries while a provider does not answer: somebody waits, and an answer can be given for half an hour.
_RETRIES = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 300, 480))
_LONGEST = timedelta(minutes=20)
_CLAIM = timedelta(seconds=120)
_ABOUT_A_MEETING = frozenset({PressAction.MARK_NO_SHOW, PressAction.UNMARK_NO_SHOW})
_ANSWERS = 3
_ANSWER_AGAIN = timedelta(seconds=30)
_WAITING = "It is tried again for a quarter of an hour; you are told how it went."


_FAULT = "A fault in Calsync: it is not known what was done. Look at the booking, and report it."


@dataclass(slots=True)
class Drained:
    """Count what a drain did, and say whether the mirror has something to ask."""

    processed: int = 0
    asks_again: bool = False


def are_taken(connection: Connection) -> bool:
    """Tell whether anything can be pressed at a connection: not before the secret that signs it is entered."""
    if connection.provider not in settings.CONNECTORS:
        return False
    try:
        return accounts.offline(connection).takes_presses
    except ConfigurationError:
        return False  # no key opens its secrets


def read(
    connection: Connection, *, body: bytes, headers: Mapping[str, str], now: datetime
) -> Press | None:
    """Return what was pressed, None where nothing of ours was; for a connection where presses are taken.

    Raises:
        UnsignedError: the request is not the provider's.
    """
    return accounts.offline(connection).read_interaction(body, headers, now=now)


def receive(connection: Connection, press: Press, *, now: datetime) -> None:
    """Store a press in one INSERT; the same again changes nothing."""
    row = Interaction(
        connection=connection, key=press.key, action=press.action[:32], value={"ids": list(press.ids)},
        organization=press.organization[:128], presser_id=press.user_id[:128],
        presser_name=press.user_name[:255], due_at=now, received_at=now, chain_ref=_chain(press),
    )  # fmt: skip
    row.set_reply(press.reply)
    Interaction.objects.bulk_create([row], ignore_conflicts=True)


def _chain(press: Press) -> int | None:
    """Return the chain that a button about a meeting names, as far as it can be an id at all."""
    if press.action not in _ABOUT_A_MEETING or not press.ids:
        return None
    return press.ids[0] if 0 < press.ids[0] < 2**63 else None


def has_due(*, now: datetime) -> bool:
    """Tell whether a press waits to be carried out or answered."""
    return Interaction.objects.filter(due_at__lte=now).exists()


def drain(*, until: datetime, clock: Callable[[], datetime]) -> Drained:
    """Carry out and answer the presses that are due, oldest first."""
    drained = Drained()
    while (now := clock()) < until:
        due = Interaction.objects.filter(due_at__lte=now).order_by("due_at", "id")
        row = due.select_related("connection").first()
        if row is None:
            break
        if _claim(row, now=now):
            drained.processed += 1
            drained.asks_again |= _take_safely(row, now=now)
    return drained


def _claim(row: Interaction, *, now: datetime) -> bool:
    claimed = Interaction.objects.filter(pk=row.pk, due_at=row.due_at).update(
        due_at=now + _CLAIM, attempts=F("attempts") + 1
    )
    row.attempts += claimed
    return bool(claimed)


def _take_safely(row: Interaction, *, now: datetime) -> bool:
    """Take a press; one whose end cannot be written down breaks nobody else's."""
    try:
        return _take(row, now=now)
    except (OperationalError, InterfaceError):
        raise  # the database is away: the lease runs out
    except Exception:
        logger.exception("Press not settled: interaction=%s", row.pk)
        _of_this_try(row).update(
            state=State.FAILED, result=_FAULT, error=traceback.format_exc(limit=-8), finished_at=now,
            due_at=now + _ANSWER_AGAIN,
        )  # fmt: skip
        return False


def _take(row: Interaction, *, now: datetime) -> bool:
    """Carry out a press that was not yet, then answer it; tell whether the mirror has something to ask."""
    try:
        connector = accounts.connector(row.connection)
    except ConfigurationError as error:  # no key opens its secrets: nobody can be asked, nor told
        _settle(row, deeds.failed(error.answer), now=now)
        Interaction.objects.filter(pk=row.pk).update(due_at=None)
        return False
    ending = None
    if row.state == State.RECEIVED:
        ending = _decide(connector, row, now=now)
        if not _settle(row, ending, now=now):
            return False
    _answer(connector, row, now=now)
    return bool(ending and ending.asks_again)


def _decide(connector: Connector, row: Interaction, *, now: datetime) -> Ending | None:
    """Do what was asked for, once it is known that this person may; None when it is tried again later."""
    actor = Actor()
    try:
        actor = authority.actor(connector, row)
        return deeds.carry_out(row, actor, now=now)
    except (RefusedError, NotNowError) as refusal:
        return Ending(state=State.REFUSED, said=str(refusal), actor=actor)
    except TemporaryError as error:
        return _try_later(connector, row, error, actor=actor, now=now)
    except IntegrationError as error:
        return deeds.failed(error.answer, actor=actor)
    except (OperationalError, InterfaceError):
        raise  # the database is away: the lease runs out
    except Exception:
        logger.exception("Press failed: interaction=%s", row.pk)
        return deeds.failed(_FAULT, actor=actor, error=traceback.format_exc(limit=-8))


def _try_later(
    connector: Connector, row: Interaction, error: TemporaryError, *, actor: Actor, now: datetime
) -> Ending | None:
    wait = timedelta(seconds=error.retry_after or 0)
    if row.attempts <= len(_RETRIES):
        wait = max(wait, _RETRIES[row.attempts - 1])
    if row.attempts > len(_RETRIES) or now + wait > row.received_at + _LONGEST:
        return deeds.failed(error.answer, actor=actor)
    _of_this_try(row).update(due_at=now + wait, error=str(error))
    if row.attempts == 1:
        _say(connector, row, f"{error} {_WAITING}")
    return None


@transaction.atomic
def _settle(row: Interaction, ending: Ending | None, *, now: datetime) -> bool:
    """Write how the press ended with what follows from it; False when it did not end, or another worker has it."""
    if ending is None or _of_this_try(row).select_for_update().first() is None:
        return False
    said = ending.write(now) if ending.write else ending.said
    row.state, row.result, row.acted_as = ending.state, said, ending.actor.username
    _of_this_try(row).update(
        state=row.state,
        result=row.result,
        acted_as=row.acted_as,
        error=ending.error,
        finished_at=now,
    )
    authority.log(row, ending.actor, about=ending.about)
    logger.info("Press settled: interaction=%s action=%s state=%s", row.pk, row.action, row.state)
    return True


def _of_this_try(row: Interaction) -> QuerySet[Interaction]:
    return Interaction.objects.filter(pk=row.pk, state=State.RECEIVED, attempts=row.attempts)


def _answer(connector: Connector, row: Interaction, *, now: datetime) -> None:
    """Tell the person; a few times over, where it is not known that they were told."""
    told = _say(connector, row, row.result)
    tries = row.answer_attempts + 1
    ended = told or tries >= _ANSWERS
    Interaction.objects.filter(pk=row.pk).update(
        answered_at=now if told else None, answer_attempts=tries,
        due_at=None if ended else now + _ANSWER_AGAIN,
        **({"sealed_reply": ""} if ended else {}),
    )  # fmt: skip


def _say(connector: Connector, row: Interaction, text: str) -> bool:
    try:
        connector.respond(row.reply, text=text)
    except IntegrationError as error:
        logger.warning("Press not answered: interaction=%s error=%s", row.pk, type(error).__name__)
        return False
    except Exception:
        logger.exception("Press not answered: interaction=%s", row.pk)
        return False
    return True
