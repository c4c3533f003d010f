"""What answers tell although each account asks in words of its own: the company, the phone number."""

import re

from bookings.meeting import Meeting

_COMPANY = re.compile(
    r"\b(compan(y|ies)|organi[sz]ation|employer|firm(a|en\w*)|soci[ée]t[ée]|unternehmen\w*)\b",
    re.IGNORECASE,
)
_ABOUT_COMPANY = re.compile(r"\b(size|website|url|many|revenue|industry)\b", re.IGNORECASE)
_PHONE = re.compile(r"\b(phone|mobile|telefon\w*|t[ée]l[ée]phone|handy\w*)\b", re.IGNORECASE)


def company(meeting: Meeting) -> str | None:
    """Return the answer to the question for the company, or None where none was given."""
    return _answer_about(meeting, _COMPANY, unless=_ABOUT_COMPANY)


def phone(meeting: Meeting) -> str | None:
    """Return the number for text reminders, or the answer to the question for one, or None."""
    return line(meeting.text_reminder_number) or _answer_about(meeting, _PHONE)


def line(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())


def _answer_about(
    meeting: Meeting, question: re.Pattern[str], *, unless: re.Pattern[str] | None = None
) -> str | None:
    found = (
        line(item.answer)
        for item in meeting.answers
        if question.search(item.question) and not (unless and unless.search(item.question))
    )
    return next(found, None) or None
