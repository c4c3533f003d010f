"""Decide which of a rule's requests is due for a meeting as it is now. Pure."""

from dataclasses import dataclass
from typing import Literal

from integrations.connectors.base import Decision, Record, Send, Skip, Step, Task
from integrations.connectors.rest import rendering
from integrations.connectors.rest.options import Request, RestOptions

Operation = Literal["create", "update", "cancel"]

#: The type of the mark of a request that may have been carried out, though nobody knows.
UNSURE = "unanswered request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Hold what is to be done: which request, and what is known of the object.

    `key` tells the objects of a meeting apart, `state` is the content hash of how the object is to be afterwards, and
    `unsure` the mark of an earlier request whose end nobody knows.
    """

    operation: Operation
    options: RestOptions
    key: str
    state: str
    known: Record | None
    unsure: Record | None

    def request(self, operation: Operation) -> Request | None:
        """Return the request for an operation, if the rule has one; a cancellation is an update where it has none."""
        if operation == "cancel":
            return self.options.cancel or self.options.update
        return self.options.create if operation == "create" else self.options.update


def plan(task: Task, options: RestOptions) -> Decision:
    """Return the request that is due, or why there is none.

    Raises:
        RuleError, PermanentError: a template cannot be filled in.
    """
    if not task.rule_id:
        return Skip(reason="The rule was deleted, so that nobody can tell which object it kept.")
    key = _key(task, options)
    known = next(
        (row for row in task.records if row.key == key and row.object_type != UNSURE), None
    )
    operation = _operation(task, options, known)
    if isinstance(operation, Skip):
        return operation
    call = Call(
        operation=operation, options=options, key=key, state=_state(task, options), known=known,
        unsure=task.record(UNSURE, key),
    )  # fmt: skip
    if known and known.content_hash == call.state:
        return Skip(reason="already equal")
    request = call.request(operation)
    if request is None:
        return Skip(reason=f"The rule has no request for {operation}: nothing is sent.")
    summary = f"{operation.capitalize()} the {options.object}: {request.method} {request.path}"
    return Send(summary=f"{summary}.", payload=call, steps=(Step(name="request", detail=summary),))


def _key(task: Task, options: RestOptions) -> str:
    return f"{task.rule_id}:{task.event_id}" if options.each == "event" else str(task.rule_id)


def _operation(task: Task, options: RestOptions, known: Record | None) -> Operation | Skip:
    if options.each == "event":
        return "create"
    canceled = task.meeting.is_canceled
    unsure = task.record(UNSURE, _key(task, options))
    if known is None and canceled and not (options.find and (task.look_first or unsure)):
        doubt = " An earlier request may have made something: look there." if unsure else ""
        return Skip(reason=f"The meeting was canceled before anything was made of it.{doubt}")
    if canceled:
        return "cancel"
    return "update" if known else "create"


def _state(task: Task, options: RestOptions) -> str:
    """Return the content hash of the request that would make the object as it is to be, were it there."""
    change = options.update
    if task.meeting.is_canceled:
        change = options.cancel or options.update
    return rendering.state_hash(change or options.create, options, task)
