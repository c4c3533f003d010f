"""Carry out what was decided: look up, send, remember; and never send twice what may not be."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.connectors.base import Applied, Forget, Record, Remember, Step, Task
from integrations.connectors.rest import rendering, searching
from integrations.connectors.rest.answers import GONE, Answer, as_error
from integrations.connectors.rest.checking import is_template
from integrations.connectors.rest.client import RestClient
from integrations.connectors.rest.marks import Marks
from integrations.connectors.rest.options import Request
from integrations.connectors.rest.planning import Call, Operation
from integrations.connectors.rest.rendering import Rendered, at_path
from integrations.errors import RuleError, TemporaryError

#: Names the keys of repeated requests; made once, for good.
_NAMESPACE = uuid.UUID("0d5a9d3c-7c0e-4c63-9d55-5f3c1a3f2e86")
#: The id of what a dry run did not make.
NOT_MADE = "(new)"
_MOST_ID = 255


@dataclass(slots=True, kw_only=True)
class Calling:
    """One delivery on its way to the interface."""

    client: RestClient
    call: Call
    task: Task
    remember: Remember
    forget: Forget
    dry_run: bool = False
    found: Any = None
    steps: list[Step] = field(default_factory=list)

    def carry_out(self) -> Applied:
        """Do what was decided.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `answers` and `searching`.
        """
        call = self.call
        if call.operation != "create" and call.known:
            return self._change(call.known)
        if (known := self._own()) is not None:
            return self._change(known)
        if call.operation == "cancel":
            return self._nothing("The meeting was canceled, and nothing was made of it.")
        return self._create()

    def _own(self) -> Record | None:
        """Return the object that an earlier request made without an answer, if it did."""
        return self._find() if self.task.look_first or self.call.unsure else None

    def _find(self) -> Record | None:
        search = self.call.options.find
        if search is None or not self._looked_up(search):
            return None
        names = self._names()
        item = searching.look(self.client, search, self.call.options, name="find", names=names)
        if item is None:
            self._note("find", "It is not there.")
            return None
        known = self._record(searching.id_of(item, search), response=item)
        self._note("find", f"It is there: {known.remote_id}.")
        self.remember(known)
        if self.call.unsure:
            self._marks().settle()
        return known

    def _create(self) -> Applied:
        options = self.call.options
        if not self._looked_up(options.create):
            return self._nothing("The rule's lookup found nobody: nothing is sent.")
        request = self._rendered(options.create, operation="create", names=self._names())
        answer = self._write(options.create, request, is_found_again=options.find is not None)
        if answer.status == 409 and (known := self._find()) is not None:
            return self._change(known)
        self._require(answer)
        made = self._record(
            self._id(answer, request), response=answer.body or {}, state=self.call.state
        )
        self.remember(made)
        self._note("create", f"{request.method} {request.path}: {made.remote_id}.")
        return Applied(
            summary=f"The {options.object} {made.remote_id} was made.", steps=tuple(self.steps)
        )

    def _change(self, known: Record) -> Applied:
        options, operation = self.call.options, self._operation()
        wanted = self.call.request(operation)
        if wanted is None or known.content_hash == self.call.state:
            self.remember(replace(known, content_hash=self.call.state))
            return self._nothing(f"The {options.object} {known.remote_id} is there.")
        if not self._looked_up(wanted):
            return self._nothing("The rule's lookup found nobody: nothing is sent.")
        request = self._rendered(wanted, operation=operation, names=self._names(known), known=known)
        answer = self._write(wanted, request)
        if answer.status in GONE and not answer.succeeded(options.success):
            return self._gone(known, answer, operation=operation)
        self._require(answer)
        self.remember(replace(known, content_hash=self.call.state))
        self._note(operation, f"{request.method} {request.path}.")
        done = "was canceled" if operation == "cancel" else "is up to date"
        return Applied(
            summary=f"The {options.object} {known.remote_id} {done}.", steps=tuple(self.steps)
        )

    def _gone(self, known: Record, answer: Answer, *, operation: Operation) -> Applied:
        if operation == "cancel":
            self.remember(replace(known, content_hash=self.call.state))
            return self._nothing(
                f"The {self.call.options.object} {known.remote_id} was gone already."
            )
        if not self.call.options.recreate:
            raise as_error(answer)
        again = self._own()
        if again is not None and again.remote_id != known.remote_id:
            return self._change(again)
        self._note("update", f"{known.remote_id} is gone: it is made anew.")
        self.call = replace(self.call, operation="create", known=known)
        return self._create()

    def _operation(self) -> Operation:
        return "cancel" if self.task.meeting.is_canceled else "update"

    def _write(self, wanted: Request, request: Rendered, *, is_found_again: bool = False) -> Answer:
        """Send; what may neither be repeated nor be found again is marked before, and asked about where it got lost."""
        if wanted.may_repeat or is_found_again or self.dry_run:
            return self.client.write(request)
        with self._marks().around(what=f"{request.method} {request.path}"):
            answer = self.client.write(request)
            if answer.status >= 400 and answer.status not in GONE | {409}:
                self._require(answer)
        return answer

    def _marks(self) -> Marks:
        return Marks(
            key=self.call.key, event_id=self.task.event_id, known=self.call.unsure,
            remember=self.remember, forget=self.forget,
        )  # fmt: skip

    def _require(self, answer: Answer) -> None:
        answer.require(self.call.options.success)

    def _looked_up(self, wanted: Request) -> bool:
        """Ask for what a request names as found; False where there is nobody."""
        search = self.call.options.lookup
        if search is None or not wanted.names("found") or self.found is not None:
            return True
        self.found = searching.look(
            self.client, search, self.call.options, name="lookup", names=self._names()
        )
        told = (
            "It found nobody."
            if self.found is None
            else f"It found {at_path(self.found, search.id)}."
        )
        self._note("lookup", told)
        return self.found is not None

    def _rendered(
        self,
        wanted: Request,
        *,
        operation: Operation,
        names: Mapping[str, Any],
        known: Record | None = None,
    ) -> Rendered:
        request = rendering.render(wanted, self.call.options, names=names)
        header = self.call.options.idempotency_header
        if not header:
            return request
        key = self._repeat_key(request, operation=operation)
        return replace(request, headers={**request.headers, header: key})

    def _repeat_key(self, request: Rendered, *, operation: Operation) -> str:
        """Return what is the same when this request is repeated, and another for every other.

        An object is made once, however the meeting looks by then; made anew, it is another. A change is another with
        each event: what changes back is no repetition.
        """
        parts = [str(self.task.rule_id), self.task.meeting.key, self.call.key, operation]
        if operation == "create":
            parts.append(self.call.known.remote_id if self.call.known else "")
        else:
            parts += [str(self.task.event_id), request.content_hash]
        return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))

    def _id(self, answer: Answer, request: Rendered) -> str:
        """Return the new object's id; where nothing asks for it later, the key of its request does as well."""
        options = self.call.options
        if self.dry_run:
            return NOT_MADE
        if is_template(options.id):
            names = self._names(response=answer.body or {})
            made = rendering.text_of(options.id, names=names).strip()
        else:
            there = at_path(answer.body, options.id)
            made = "" if there is None or isinstance(there, dict | list) else str(there)
        if not made and answer.text and (options.find or options.create.may_repeat):
            raise TemporaryError(
                f"{answer.what} was answered with HTTP {answer.status} and no JSON.",
                hint="Nothing to do: it is tried again, and looked for before, or repeated without harm.",
                ambiguous=True,
            )
        if not made and options.needs_id:
            self._marks().lost()
            raise RuleError(
                f"It was made, but the answer has no {options.id}, which later requests need.",
                hint="Delete it there, correct the rule's option id, then retry.",
            )
        return made[:_MOST_ID] or self._repeat_key(request, operation="create")

    def _record(self, remote_id: str, *, response: Any, state: str = "") -> Record:
        options = self.call.options
        before = self.call.known
        object_type = before.object_type if before else options.object
        record = Record(object_type=object_type, remote_id=remote_id, key=self.call.key)
        names = self._names(record, response=response)
        kept = {name: rendering.text_of(text, names=names) for name, text in options.keep.items()}
        return replace(
            record, content_hash=state, data={"kept": kept},
            url=rendering.address_of(options.link, names=names)[:2_000] if options.link else "",
        )  # fmt: skip

    def _names(self, record: Record | None = None, *, response: Any = None) -> dict[str, Any]:
        return rendering.names_of(self.task, record=record, found=self.found, response=response)

    def _note(self, name: str, detail: str) -> None:
        self.steps.append(Step(name=name, detail=detail))

    def _nothing(self, summary: str) -> Applied:
        return Applied(summary=summary, steps=tuple(self.steps), changed=False)
