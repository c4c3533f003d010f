"""Fill in a template for one recipient: subject, text and HTML. Pure; strangers' words are never a template."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.template import TemplateSyntaxError

from bookings.meeting import Meeting, Person
from bookings.snapshots import Answer
from integrations.connectors import templating
from integrations.connectors.email import addresses, layout
from integrations.connectors.email.recipients import Recipient
from integrations.connectors.email.shipped import SHIPPED
from integrations.connectors.values import Facts, template_names
from integrations.errors import RuleError
from integrations.models import MailTemplate

#: Names in `booking` that lead somewhere: anything but a web address is left out.
_LINKS = ("join_url", "url", "cancel_url", "reschedule_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Hold what a message says; `notes` tell staff of names that a template has and the meeting has not."""

    subject: str
    text: str
    html: str
    notes: tuple[str, ...] = ()


def choose(name: str, stored: Mapping[str, MailTemplate]) -> MailTemplate:
    """Return the template of a name: staff's own, else the one that comes with Calsync.

    Raises:
        RuleError: there is none.
    """
    found = stored.get(name) or SHIPPED.get(name)
    if found is None:
        known = ", ".join(sorted({*stored, *SHIPPED}))
        raise RuleError(
            f"There is no e-mail template {name!r}.",
            hint=f"Add it under E-mail templates, or name another in the rule: {known}.",
        )
    return found


def names(facts: Facts, recipient: Recipient, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that a mail's template may name."""
    meeting, known = facts.meeting, template_names(facts)
    booking = {
        **known["booking"],
        "cancel_url": meeting.cancel_url,
        "reschedule_url": meeting.reschedule_url,
        "previous_start_at": meeting.previous_start_at or "",
    }
    for link in _LINKS:
        booking[link] = web_address(booking[link])
    person = {"name": recipient.name, "email": recipient.email, "role": recipient.role, "timezone": recipient.timezone}  # fmt: skip
    given = {"questionnaire_url": web_address(str(options.get("questionnaire_url", "")))}
    return {**known, "booking": booking, "recipient": person, "options": given}


def web_address(text: str | None) -> str:
    """Return a link that may be followed, or nothing: no scheme but the web's, no blanks, no controls."""
    given = (text or "").strip()
    is_web = given.lower().startswith(("https://", "http://"))
    return given if is_web and given.isprintable() and not set(given) & set(" \"'<>\\") else ""


def fill(
    template: MailTemplate, facts: Facts, recipient: Recipient, *, options: Mapping[str, Any], sender: str
) -> Content:  # fmt: skip
    """Return a message's words for one recipient.

    Raises:
        RuleError: a tag or filter does not fit what this meeting has.
    """
    known = names(facts, recipient, options)
    try:
        subject, *unknown = _rendered(template.subject, known)
        text, *more = _rendered(template.text, known)
        body, *most = _rendered(template.html, known, as_html=True)
    except TemplateSyntaxError as error:
        raise RuleError(
            f"The e-mail template {template.name!r} could not be filled in: {error}.",
            hint="Correct the template, then retry the delivery.",
        ) from error
    subject = addresses.line(subject) or template.label
    body = body if body.strip() else layout.from_text(text, links=_links(known))
    return Content(
        subject=subject,
        text=addresses.block(text),
        html=addresses.block(layout.wrap(body, title=subject, sender=sender)),
        notes=tuple(dict.fromkeys(f"The template names {name!r}, which there is not." for name in [*unknown, *more, *most])),
    )  # fmt: skip


def problems(template: MailTemplate) -> dict[str, str]:
    """Return why each part of a template cannot be used, with the place, by the part's name."""
    found: dict[str, str] = {}
    for part in ("subject", "text", "html"):
        for example in EXAMPLES:
            known = names(Facts(meeting=example, booking_url=EXAMPLE_URL), EXAMPLE_RECIPIENT, EXAMPLE_OPTIONS)  # fmt: skip
            text = getattr(template, part)
            if why := templating.problem(text, names=known, as_html=part == "html"):
                found.setdefault(part, why)
    return found


def _rendered(text: str, known: Mapping[str, Any], *, as_html: bool = False) -> tuple[str, ...]:
    made, unknown = templating.render(text, names=known, as_html=as_html)
    return made, *unknown


def _links(known: Mapping[str, Any]) -> Iterable[str]:
    return [*(known["booking"][link] for link in _LINKS), known["options"]["questionnaire_url"]]


_START = datetime(2026, 9, 14, 13, 0, tzinfo=UTC)
EXAMPLE_URL = "https://calsync.example/admin/bookings/booking/1/change/"
EXAMPLE_RECIPIENT = Recipient(email="ida@customer.example", name="Ida Invitee", role="invitee", timezone="Europe/Berlin")  # fmt: skip
EXAMPLE_OPTIONS = {"questionnaire_url": "https://forms.example/intake"}


def _example(**more: Any) -> Meeting:
    usual: dict[str, Any] = {
        "key": "EXAMPLE", "chain_id": 0, "booking_id": 0, "booking_uri": "", "invitee_uri": "", "is_canceled": False,
        "is_no_show": False, "name": "Product demo", "start_at": _START, "end_at": _START + timedelta(minutes=30),
        "previous_start_at": None, "reschedule_count": 0, "location_type": "zoom", "location_status": "pushed",
        "location_text": "", "join_url": "https://meet.example/j/123",
        "hosts": (Person(name="Hannah Host", email="hannah@company.example", timezone="Europe/London"),),
        "guests": ("guest@customer.example",), "invitee_name": "Ida Invitee", "first_name": "", "last_name": "",
        "email": "ida@customer.example", "timezone": "Europe/Berlin", "text_reminder_number": "+49 30 1234567",
        "answers": (
            Answer(question="Company", answer="Customer Ltd"),
            Answer(question="What would you like to see?", answer="Reporting & exports"),
        ),
        "tracking": {"utm_source": "newsletter"}, "canceled_by": "", "cancel_reason": "", "canceler_type": "",
        "cancel_url": "https://calendly.example/cancellations/1", "reschedule_url": "https://calendly.example/reschedulings/1",
    }  # fmt: skip
    return Meeting(**{**usual, **more})


#: What a template is tried with when it is saved, and previewed with where there is no booking yet.
EXAMPLES = (
    _example(),
    _example(
        is_canceled=True, is_no_show=True, reschedule_count=1, previous_start_at=_START, canceled_by="Ida Invitee",
        cancel_reason="Ill", join_url="", location_text="Room 4",
    ),
    _example(
        hosts=(), guests=(), invitee_name="", join_url="", answers=(), tracking={}, cancel_url="", reschedule_url="", timezone="",
    ),
)  # fmt: skip
