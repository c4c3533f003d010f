"""What Calendly's refusals mean: an error for each, named by what happens next, with a hint for a person.

Decided by the status first: the titles in Calendly's own documents do not always fit. A 403 has several causes that
only its words tell apart.

Source: https://developer.calendly.com/api-docs (error schemas) and https://developer.calendly.com/scopes
"""

from typing import NoReturn

from integrations.errors import AccessError, ConfigurationError, PermanentError
from integrations.sources.calendly.payloads.reading import Fields, as_text

RECONNECT = "Connect the Calendly account again: its token is missing, expired or was revoked."
_OUR_FAULT = "A request of Calsync's own was wrong. Report it, with these words of Calendly's."
_READ_SCOPE = (
    "Calendly names no parameter: the token may lack the read scope of one of the events, such as "
    "scheduled_events:read or routing_forms:read. Connect the Calendly account again and grant every scope."
)
_ROLE = "Use the token of an owner or admin of the organization."
_PLAN = (
    "This needs another Calendly plan. Upgrade there, or switch off in the settings what needs it."
)
_CALENDAR = "The host has to connect their calendar at Calendly again."
_GONE = "It was deleted at Calendly, or this account may not see it."
_NOT_A_MEMBER = "That person has left the organization, or the connection belongs to another one."
_PAST = "Calendly cancels no meeting that has begun: mark who did not come as a no-show instead."
_CANCELED = "Nothing to do. Read the booking again from Calendly, if it is not shown as canceled."
_THERE_ALREADY = "There is one already at Calendly: use it, or delete it first."

#: Words of Calendly's that are kept: they end in columns, logs and pages.
_LONGEST_WORDS = 1_000

#: What a 403 says where the request was wrong or one object is hidden, rather than the whole account refused.
_ABOUT_THE_REQUEST = {
    "please also specify organization": _OUR_FAULT,
    "this user is not in your organization": _NOT_A_MEMBER,
    "event in the past": _PAST,
    "event is already canceled": _CANCELED,
    "you are not allowed to": _ROLE,
}


class UnauthenticatedError(ConfigurationError):
    """Calendly does not take the token."""


class ScopeError(AccessError):
    """The token lacks scopes; `required` names them."""

    def __init__(self, message: str, *, required: tuple[str, ...]) -> None:
        names = ", ".join(required) or "that Calsync asks for"
        hint = f"Connect the Calendly account again and grant the scopes: {names}."
        super().__init__(message, hint=hint)
        self.required = required


class PlanError(AccessError):
    """The organization's plan does not include this."""


class RoleError(AccessError):
    """The token's user may not do this in the organization."""


class InvalidArgumentError(PermanentError):
    """Calendly refuses a parameter; `parameters` names those that it complains about."""

    def __init__(self, message: str, *, hint: str, parameters: tuple[str, ...]) -> None:
        super().__init__(message, hint=hint)
        self.parameters = parameters


class NotFoundError(PermanentError):
    """Calendly knows no such object, or does not show it to this account."""


class ConflictError(PermanentError):
    """Calendly has such an object already."""


def refuse(status: int, body: Fields, *, what: str) -> NoReturn:
    """Raise what a refusal means; `what` is the request, such as `POST /webhook_subscriptions`."""
    message = f"Calendly answered {status}: {said(body)}"
    match status:
        case 400:
            _refuse_argument(message, body, what=what)
        case 401:
            raise UnauthenticatedError(message, hint=RECONNECT)
        case 403:
            _forbid(message, body)
        case 404:
            raise NotFoundError(message, hint=_GONE)
        case 409:
            raise ConflictError(message, hint=_THERE_ALREADY)
        case 424:
            raise PermanentError(message, hint=_CALENDAR)
        case _:
            raise PermanentError(message, hint=_OUR_FAULT)


def said(body: Fields) -> str:
    """Return title, message and details as one sentence; the token endpoint's `error` where there is no title."""
    details = "; ".join(
        ": ".join(filter(None, (detail.text("parameter"), detail.text("message"))))
        for detail in body.children("details")
    )
    words = ". ".join(filter(None, (body.text("title"), body.text("message").rstrip("."))))
    words = words or ". ".join(filter(None, (body.text("error"), body.text("error_description"))))
    told = f"{words.rstrip('.') or 'no reason given'}{f' ({details})' if details else ''}"
    return f"{told}." if len(told) <= _LONGEST_WORDS else f"{told[:_LONGEST_WORDS]}..."


def _refuse_argument(message: str, body: Fields, *, what: str) -> NoReturn:
    details = body.children("details")
    parameters = tuple(name for detail in details if (name := detail.text("parameter")))
    unexplained = what == "POST /webhook_subscriptions" and not details
    hint = _READ_SCOPE if unexplained else _OUR_FAULT
    raise InvalidArgumentError(message, hint=hint, parameters=parameters)


def _forbid(message: str, body: Fields) -> NoReturn:
    words, required = body.text("message").lower(), body.get("required_scopes")
    if isinstance(required, list) or body.text("title").lower() == "insufficient scope":
        names = required if isinstance(required, list) else []
        raise ScopeError(message, required=tuple(filter(None, map(as_text, names))))
    for beginning, hint in _ABOUT_THE_REQUEST.items():
        if words.startswith(beginning):
            raise PermanentError(message, hint=hint)
    if "upgrade" in words:
        raise PlanError(message, hint=_PLAN)
    raise RoleError(message, hint=f"{_ROLE} If it is one already, its plan may not allow this.")
