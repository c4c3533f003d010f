"""Addresses and words for a message's head: what is no address, or would break a line, does not get there.

Names, subjects and answers are strangers' words. A line break would begin a header of their own, and a direction or
control mark would show another text than there is.
"""

import re
import unicodedata
from email.utils import formataddr

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.encoding import punycode

#: Kinds of character that end a line or show nothing: controls, separators, half a surrogate pair, private ones.
_BREAKS, _UNSEEN = frozenset({"Cc", "Zl", "Zp"}), frozenset({"Cf", "Cs", "Co"})
#: Format characters that belong to how words and emoji are spelled.
_JOINERS = frozenset("\u200c\u200d")
#: What may not stand in the name before an address, though it is visible.
_NAME_MARKS = str.maketrans("", "", '"\\<>()[]:;@,')
_MOST_ADDRESS = 254


def line(text: str, *, limit: int = 200) -> str:
    """Return a text as one line of visible characters, cut.

    `=?` begins a word in another encoding, which a mail program would read, with line breaks inside.
    """
    seen = "".join(map(_in_line, text)).replace("=?", "= ?")
    return " ".join(seen.split())[:limit].rstrip()


def block(text: str) -> str:
    """Return a text of several lines without what shows nothing, and with no more than one empty line at once."""
    lines = ("".join(map(_in_line, row)).rstrip() for row in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _in_line(mark: str) -> str:
    kind = unicodedata.category(mark)
    if kind in _BREAKS:
        return " "
    return "" if kind in _UNSEEN and mark not in _JOINERS else mark


def address(text: str) -> str:
    """Return an address as it is sent, its domain in ASCII; nothing where the text is no address."""
    given = text.strip()
    local, at, domain = given.rpartition("@")
    if not at or not local.isascii() or line(given) != given:
        return ""
    try:
        sent = f"{local}@{punycode(domain)}"
        validate_email(sent)
    except (UnicodeError, ValidationError):
        return ""
    return sent if len(sent) <= _MOST_ADDRESS else ""


def is_address(text: str) -> bool:
    """Tell whether a text is an address that mail can be sent to."""
    return bool(address(text))


def name(text: str) -> str:
    """Return a person's name as it may stand before an address, or in a calendar's parameter."""
    return " ".join(line(text).translate(_NAME_MARKS).split())[:80].rstrip()


def mailbox(email: str, shown: str = "") -> str:
    """Return `Name <address>` as a header takes it, or the address alone."""
    said = name(shown)
    return formataddr((said, email)) if said else email


def folded(email: str) -> str:
    """Return what two spellings of one address share."""
    return email.strip().casefold()
