"""What staff can set: on the connection, on the rules of each action, and for notices."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from integrations.connectors.email import addresses
from integrations.options import Options

#: Names the kinds of people in a rule's lists; `answer:` is followed by the question.
HOST, INVITEE, GUESTS, ANSWER = "host", "invitee", "guests", "answer:"
_KINDS = frozenset({HOST, INVITEE, GUESTS})


def _address(text: str) -> str:
    if not addresses.is_address(text):
        raise ValueError(f"{text!r} is no e-mail address")
    return addresses.address(text)


def _optional_address(text: str) -> str:
    return _address(text) if text.strip() else ""


def _recipient(text: str) -> str:
    """Return one entry of a list of recipients: a kind of person, a question, or an address."""
    given = text.strip()
    if given in _KINDS or (given.startswith(ANSWER) and given.removeprefix(ANSWER).strip()):
        return given
    if not addresses.is_address(given):
        raise ValueError(f"{text!r} is none of host, invitee, guests, answer:<question>, or an address")  # fmt: skip
    return addresses.address(given)


def _plain_line(text: str) -> str:
    if addresses.line(text) != text.strip():
        raise ValueError("must be one line, without control characters")
    return text.strip()


def _web_link(text: str) -> str:
    if text and not (text.startswith(("https://", "http://")) and text.isprintable() and " " not in text):  # fmt: skip
        raise ValueError("must be a link that begins with https://")
    return text


Address = Annotated[str, AfterValidator(_address)]
OptionalAddress = Annotated[str, AfterValidator(_optional_address)]
Recipient = Annotated[str, AfterValidator(_recipient)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,50}$")]

_WHO = "Whom, each with a message of their own: host, invitee, guests, answer:<question> (an address given there), or addresses."  # fmt: skip


class EmailSettings(Options):
    """Settings of a connection: the server that takes the mail, and who it is from."""

    choice_labels: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "security": {"starttls": "STARTTLS", "tls": "TLS", "none": "None"}
    }

    host: str = Field(
        title="Mail server",
        pattern=r"^[A-Za-z0-9.:-]{1,253}$",
        description="Name of the mail server that sends.",
    )
    port: int = Field(default=587, ge=1, le=65535, description="587 for STARTTLS, 465 for TLS.")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="None only for a server on this machine, in development."
    )
    username: Annotated[str, AfterValidator(_plain_line)] = Field(
        default="", description="For the log-in; empty where the server asks for none."
    )
    from_address: Address = Field(description="Whom the mail is from; the calendar's organizer.")
    from_name: Annotated[str, AfterValidator(_plain_line)] = Field(
        default="", description="The name beside it."
    )
    reply_to: OptionalAddress = Field(default="", description="Where answers go, if elsewhere.")
    bounce_address: OptionalAddress = Field(
        default="", description="Where bounces go, if elsewhere; see manage.py email_bounce."
    )


class SendEmailOptions(Options):
    """Options of a rule that sends a message."""

    template: Slug = Field(description="What is sent: see E-mail templates.")
    to: list[Recipient] = Field(min_length=1, max_length=20, description=_WHO)
    cc: list[Recipient] = Field(
        default=[], max_length=10, description="Who gets a copy of the first message; as above."
    )
    questionnaire_url: Annotated[str, AfterValidator(_web_link)] = Field(
        title="Link to a questionnaire",
        default="",
        description="Link for the template, as {{ options.questionnaire_url }}.",
    )


class SendInviteOptions(Options):
    """Options of a rule that sends calendar invitations."""

    to: list[Recipient] = Field(
        default=[HOST, INVITEE, GUESTS], min_length=1, max_length=20, description=_WHO
    )
    template: Slug = Field(default="invitation", description="Name of the template for the words.")
    cancel_template: Slug = Field(default="canceled", description="The same of a cancellation.")
    removed_template: Slug = Field(
        default="removed", description="The same for who is no longer a participant."
    )


class EmailNoticeOptions(Options):
    """Whom a digest or an alert is mailed to."""

    to: list[Address] = Field(min_length=1, max_length=20, description="Addresses.")
