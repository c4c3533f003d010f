"""Mark a request that may not be sent twice, before it is sent, so that its loss is a question to a person and no repetition."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from integrations.connectors.base import Forget, Record, Remember
from integrations.connectors.rest.planning import UNSURE
from integrations.errors import IntegrationError, PermanentError, TemporaryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Keep the mark of one object's requests.

    It names the events whose delivery failed for it: a person who retries one of these has looked.
    """

    key: str
    event_id: int
    known: Record | None
    remember: Remember
    forget: Forget

    @contextmanager
    def around(self, *, what: str) -> Iterator[None]:
        """Let a request be sent, unless an earlier one was lost and nobody looked since.

        Raises:
            PermanentError: an earlier one may have been carried out, or this one got lost.
        """
        told = self._told()
        if self.known and self.event_id not in told:
            self._mark([*told, self.event_id])
            raise _lost(what, "An earlier request")
        self._mark(told)
        try:
            yield
        except TemporaryError as error:
            if not error.ambiguous:
                self.settle()
                raise
            self.lost()
            raise _lost(what, str(error).rstrip(".")) from error
        except IntegrationError:
            self.settle()
            raise
        self.settle()

    def lost(self) -> None:
        """Keep that something may be there that nobody can name, and that this event's delivery says so."""
        self._mark(sorted({*self._told(), self.event_id}))

    def settle(self) -> None:
        """Forget the mark: how the request ended is known."""
        self.forget(UNSURE, self.key)

    def _told(self) -> list[int]:
        told = self.known.data.get("told") if self.known else None
        return [item for item in told if isinstance(item, int)] if isinstance(told, list) else []

    def _mark(self, told: list[int]) -> None:
        self.remember(Record(object_type=UNSURE, remote_id="?", key=self.key, data={"told": told}))


def _lost(what: str, why: str) -> PermanentError:
    return PermanentError(
        f"{why}: {what} may have been carried out, and may not be sent twice.",
        hint="Look there. If nothing was made, retry this delivery: it is sent again. With an option find, or repeatable "
        "where a second one does no harm, Calsync needs nobody for this.",
    )
