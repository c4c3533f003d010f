"""The steps of a backfill beside the bookings: lists of the directory, and objects asked for by name."""

from collections.abc import Sequence

from django.db import transaction

from bookings.directory import mark_vanished, reconcile_directory_page
from bookings.reconcile import reconcile
from bookings.reconciled import Reconciled
from bookings.snapshots import MeetingSnapshot, NoShowSnapshot, Snapshot
from integrations.backfill import mirrored
from integrations.backfill.ledger import Ledger, StopRequestedError
from integrations.errors import AccessError, IntegrationError, PermanentError, TemporaryError
from integrations.sources.reading import Page, Reader, StaleCursorError

MENTIONS = "mentions"
#: Objects asked for by name in one step.
_AT_ONCE = 20
_NOT_LISTED = (MeetingSnapshot, NoShowSnapshot)
#: What was asked about, and what came of it; None when it is gone.
_Answer = tuple[str, Snapshot | None]


def read_page(ledger: Ledger, reader: Reader) -> None:
    """Read and write one page of the run's phase; the last one leaves what to ask about by name."""
    run = ledger.run
    try:
        page = reader.read(run.phase, cursor=run.checkpoint.get("cursor", {}))
    except StaleCursorError:
        ledger.keep(checkpoint={})
    except AccessError as error:
        with transaction.atomic():
            ledger.problem("", error)
            ledger.keep(errors=run.errors, checkpoint={"last": True})
    else:
        _write_page(ledger, page)


def _write_page(ledger: Ledger, page: Page) -> None:
    run = ledger.run
    listed = [item for item in page.snapshots if not isinstance(item, _NOT_LISTED)]
    with transaction.atomic():
        results = ledger.batch(
            listed,
            lambda snapshots: reconcile_directory_page(snapshots, origin=ledger.origin),
            uri=lambda snapshot: snapshot.uri,
        )
        seen = sorted({*run.checkpoint.get("seen", []), *mirrored.ids_of(run.phase, listed)})
        for item in page.unreadable:
            ledger.problem(item.uri, PermanentError(item.reason))
        ledger.keep(
            results,
            pages=run.pages + 1,
            directory=run.directory + len(listed),
            errors=run.errors,
            checkpoint=_after(ledger, page, seen),
        )


def _after(ledger: Ledger, page: Page, seen: list[int]) -> dict[str, object]:
    if page.cursor is not None:
        return {"cursor": dict(page.cursor), "seen": seen}
    run = ledger.run
    left = mirrored.unlisted(run.phase, account=run.connection.account, seen=set(seen))
    return {"last": True, "ask": left}


def list_mentioned(ledger: Ledger) -> None:
    """Leave to ask about what bookings name and nothing described yet: retired event types, former hosts."""
    uris = mirrored.mentioned(account=ledger.run.connection.account)
    ledger.keep(checkpoint={"last": True, "ask": uris})


def ask_by_name(ledger: Ledger, reader: Reader) -> None:
    """Ask about some of the objects that the checkpoint names, and take them off it: they were retired, or are gone.

    Raises:
        TemporaryError: the provider was not to be asked further; what it had answered is written.
        StopRequestedError: so did a person; the same.
    """
    uris: list[str] = ledger.run.checkpoint["ask"]
    answers: list[_Answer] = []
    refused: list[tuple[str, IntegrationError]] = []
    interrupted: TemporaryError | StopRequestedError | None = None
    for uri in uris[:_AT_ONCE]:
        try:
            ledger.breathe()
            answers.append((uri, reader.fetch(uri)))
        except StopRequestedError as error:
            interrupted = error
            break
        except TemporaryError as error:
            if answers or refused or not ledger.gives_up(error):
                interrupted = error
                break
            refused.append((uri, error))
        except (PermanentError, AccessError) as error:
            refused.append((uri, error))
    left = uris[len(answers) + len(refused) :]
    _write_answers(ledger, answers, refused=refused, left=left)
    if interrupted:
        raise interrupted


@transaction.atomic
def _write_answers(
    ledger: Ledger,
    answers: Sequence[_Answer],
    *,
    refused: Sequence[tuple[str, IntegrationError]],
    left: Sequence[str],
) -> None:
    run = ledger.run
    results = [result for answer in answers for result in _write_answer(ledger, answer)]
    changed = {uri for result in results for uri in result.changed_bookings}
    for uri, error in refused:
        _refused(ledger, uri, error)
    ledger.keep(
        results,
        progressed=bool(answers) or not left,
        changed=run.changed + len(changed),
        vanished=run.vanished,
        errors=run.errors,
        checkpoint={**run.checkpoint, "ask": list(left)},
    )


def _refused(ledger: Ledger, uri: str, error: IntegrationError) -> None:
    """Record what cannot be read; what is merely mentioned, such as a colleague, may be hidden from us rightly."""
    if ledger.run.phase != MENTIONS or isinstance(error, TemporaryError):
        ledger.problem(uri, error)


def _write_answer(ledger: Ledger, answer: _Answer) -> list[Reconciled]:
    uri, snapshot = answer
    if snapshot is not None:
        return ledger.batch(
            [snapshot],
            lambda snapshots: [reconcile(one, origin=ledger.origin) for one in snapshots],
            uri=lambda _: uri,
        )
    ledger.apart(lambda: mark_vanished(uri, origin=ledger.origin))
    ledger.vanished(uri)
    return []
