"""What failures have in common: an error without what tells one meeting from another. Pure."""

import hashlib
import re

#: Characters of a cause.
LONGEST_CAUSE = 240

#: What differs from one failure to the next of the same cause, and who it is about; the order matters.
_PARTICULARS = (
    (re.compile(r"https?://\S+"), "(link)"),
    (re.compile(r"[\w.+'%-]+@[\w-]+(?:\.[\w-]+)+"), "(address)"),
    (re.compile(r"\"[^\"]*\"|“[^”]*”|(?<!\w)'[^']*'(?!\w)"), "(…)"),
    (re.compile(r"\b(?=\w*\d)[0-9A-Za-z]+(?:-[0-9A-Za-z]+){2,}\b"), "(id)"),
    (re.compile(r"\b(?=[A-Za-z]*\d)[0-9A-Za-z]{12,}\b"), "(id)"),
    (re.compile(r"\b(?![1-5]\d\d\b)\d[\d.,:]*"), "(number)"),
)


def cause_of(error: str) -> str:
    """Return an error in one line, without ids, addresses, quoted words and numbers; an HTTP status stays.

    Of a traceback it is the last line.
    """
    lines = [line.strip() for line in error.splitlines() if line.strip()] or ["Nothing was told."]
    said = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    for pattern, word in _PARTICULARS:
        said = pattern.sub(word, said)
    return said if len(said) <= LONGEST_CAUSE else f"{said[: LONGEST_CAUSE - 1]}…"


def digest_of(cause: str) -> str:
    """Return a short name of a cause, fit for a key."""
    return hashlib.sha256(cause.encode()).hexdigest()[:16]
