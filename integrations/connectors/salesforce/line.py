"""Send what many meetings want over one client, and write each one's own part of it into its own record."""

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from integrations.connectors.salesforce import asking, collections, looking
from integrations.connectors.salesforce.answers import Reply
from integrations.connectors.salesforce.client import SalesforceClient
from integrations.connectors.salesforce.collections import Kind, Request
from integrations.connectors.salesforce.errors import as_error
from integrations.errors import IntegrationError, PermanentError, TemporaryError, ThrottledError
from integrations.http import Recorder, redact

Answer = Reply | IntegrationError
#: What a log-in is recorded under; it tells of no meeting.
_LOG_IN = "/services/oauth2/"
#: Statuses whose message tells of us and not of a record.
_OF_ALL = frozenset({401, 403, 420, 429})


def half_a_lease_from_now() -> float:
    """Return until when a batch may begin calls: the leases of its deliveries have to outlast the last one."""
    return time.monotonic() + float(settings.DELIVERY_LEASE_SECONDS) / 2


@dataclass(slots=True)
class Line:
    """Send requests over one client, whose `recorder` is emptied into those of the meetings.

    What failed for everybody, such as no answer or a refused log-in, is not tried for the next.
    """

    client: SalesforceClient
    recorder: Recorder
    ends_at: float = field(default_factory=half_a_lease_from_now)
    broken: IntegrationError | None = None

    @property
    def data_path(self) -> str:
        """Return where the chosen API version begins."""
        return self.client.data_path

    @property
    def instance_url(self) -> str:
        """Return the address of the organization."""
        return self.client.instance_url

    @property
    def identity(self) -> str:
        """Return the address that names user and organization."""
        return self.client.identity

    @property
    def limits(self) -> str:
        """Return what the last answer told of the request allowance."""
        return self.client.limits

    def answer(self, requests: Sequence[Request], recorders: Sequence[Recorder]) -> list[Answer]:
        """Return the answers to requests of one group, in order."""
        if len(requests) == 1 or requests[0].kind == Kind.OTHER:
            answer = self._alone(requests[0], recorders[0])
            return [answer if isinstance(answer, Reply) else copy.copy(answer) for _ in requests]
        look_up = requests[0].kind == Kind.LOOK_UP
        try:
            found = (self._look_up if look_up else self._together)(requests, recorders)
        except IntegrationError as error:
            return [copy.copy(error) for _ in requests]
        return self._completed(found, requests, recorders)

    def _completed(
        self,
        found: Sequence[Reply | None],
        requests: Sequence[Request],
        recorders: Sequence[Recorder],
    ) -> list[Answer]:
        """Ask again for those without an answer: where all are, in halves, else each alone."""
        answers: list[Answer | None] = list(found)
        open_places = [place for place, reply in enumerate(found) if reply is None]
        size = (len(open_places) + 1) // 2 if len(open_places) == len(found) else 1
        for at in range(0, len(open_places), size):
            places = open_places[at : at + size]
            again = self.answer(
                [requests[place] for place in places], [recorders[place] for place in places]
            )
            for place, answer in zip(places, again, strict=True):
                answers[place] = answer
        return [answer for answer in answers if answer is not None]

    def _alone(self, request: Request, recorder: Recorder) -> Answer:
        try:
            reply = self._send(
                request.method, request.path, request.body, request.headers, reads=request.reads
            )
        except IntegrationError as error:
            return copy.copy(error)
        finally:
            recorder.exchanges += self._exchanges()
        if reply.problem and _is_of_all(reply):
            self.broken = as_error(reply.problem)
        return reply

    def _together(
        self, requests: Sequence[Request], recorders: Sequence[Recorder]
    ) -> list[Reply | None]:
        call = collections.call_of(requests)
        replies: list[Reply | None] = [None] * len(requests)
        try:
            reply = self._send(call.method, call.path, call.body, call.headers, reads=call.reads)
            if not self._is_refused(reply):
                replies = collections.replies_of(call, reply)
        finally:
            bodies = [call.own_body(place) for place in range(len(requests))]
            self._tell(call.path, bodies, replies, recorders)
        return replies

    def _look_up(
        self, requests: Sequence[Request], recorders: Sequence[Recorder]
    ) -> list[Reply | None]:
        """Ask who all of them are in one call; in more where the lists of values are long."""
        inquiries = [request.inquiry for request in requests if request.inquiry is not None]
        asked = asking.queries(inquiries)
        found: list[Reply | None] = [None] * len(requests)
        try:
            answers: dict[str, Any] = {}
            for part in asking.calls(asked):
                answers |= self._queried(part)
            whole = asking.replies(inquiries, asked, answers)
            found = [None if body is None else Reply(status=200, body=body) for body in whole]
        except _RefusedError:
            pass
        finally:
            others = {"others in this call": len(requests) - 1}
            bodies = [{**request.body, **others} for request in requests]
            self._tell(f"{self.data_path}/composite", bodies, found, recorders)
        return found

    def _queried(self, asked: Sequence[asking.Asked]) -> dict[str, Any]:
        queries = {one.reference: (one.resource, one.soql) for one in asked}
        body = looking.composite(self.data_path, queries)
        reply = self._send("POST", f"{self.data_path}/composite", body, {}, reads=True)
        if self._is_refused(reply):
            raise _RefusedError
        try:
            answers = {answer["referenceId"]: answer for answer in reply.body["compositeResponse"]}
            return {name: self._whole(answers[name]) for name in queries}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TemporaryError("Salesforce answered a look-up in an unknown shape.") from error

    def _whole(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a query's answer with the records of all its pages.

        Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_query_more_results.htm
        """
        if int(answer["httpStatusCode"]) != 200:
            return answer
        page, records = answer["body"], list(answer["body"]["records"])
        while not page["done"]:
            page = self._send("GET", page["nextRecordsUrl"], None, {}, reads=True).require()
            records += page["records"]
        return {**answer, "body": {"records": records}}

    def _send(
        self,
        method: str,
        path: str,
        body: object,
        headers: Mapping[str, str],
        *,
        reads: bool,
    ) -> Reply:
        if self.broken:
            raise _unsent(self.broken)
        if time.monotonic() > self.ends_at:
            raise ThrottledError(
                "The batch took long, and this one had not been sent.",
                hint="Nothing to do: it goes with the next.",
                retry_after=1.0,
            )
        try:
            return self.client.send(method, path, json_body=body, headers=headers, reads=reads)
        except IntegrationError as error:
            self.broken = error
            raise

    def _is_refused(self, reply: Reply) -> bool:
        """Tell whether a call is refused as a whole for what it holds, so that nothing was written.

        Raises:
            IntegrationError: it failed for another reason, and will for everybody.
        """
        if reply.problem is None:
            return False
        error = as_error(reply.problem)
        if isinstance(error, PermanentError):
            return True
        self.broken = error
        raise error

    def _exchanges(self) -> list[dict[str, Any]]:
        taken, self.recorder.exchanges = self.recorder.exchanges, []
        return taken

    def _tell(
        self,
        path: str,
        bodies: Sequence[Any],
        replies: Sequence[Reply | None],
        recorders: Sequence[Recorder],
    ) -> None:
        """Give each meeting its own part of what was exchanged, and none of another's.

        Of a look-up in several calls one is told of, with what all of them brought.
        """
        exchanges = self._exchanges()
        calls = [one for one in exchanges if one["url"].endswith(path)]
        told = [
            one
            for one in exchanges
            if _LOG_IN in one["url"]
            or (one in calls and (one["status"] != 200 or one is calls[-1]))
        ]
        for body, reply, recorder in zip(bodies, replies, recorders, strict=True):
            for exchange in told:
                own = dict(exchange)
                if _LOG_IN not in exchange["url"]:
                    own |= {"request": redact(body), "response": _own_response(exchange, reply)}
                recorder.exchanges.append(own)


class _RefusedError(Exception):
    """A look-up for many is refused as a whole."""


def _own_response(exchange: Mapping[str, Any], reply: Reply | None) -> object:
    """Return what a meeting may know of an answer: a refusal of the whole may quote another's record."""
    response, status = exchange["response"], exchange["status"] or 0
    if status == 200:
        return redact(reply.body) if reply else "no answer of its own: asked for again"
    if status in _OF_ALL or status >= 500 or not isinstance(response, list):
        return response
    return [{"errorCode": item.get("errorCode")} for item in response if isinstance(item, dict)]


def _is_of_all(reply: Reply) -> bool:
    """Tell whether an answer to one says that the next would fare no better."""
    error = as_error(reply.problem) if reply.problem else None
    return reply.status in {401, 429} or reply.status >= 500 or isinstance(error, ThrottledError)


def _unsent(error: IntegrationError) -> IntegrationError:
    """Return the error for one that was not sent any more."""
    own = copy.copy(error)
    if isinstance(own, TemporaryError):
        own.ambiguous = False
    return own
