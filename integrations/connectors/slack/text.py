"""Make a stranger's words safe for Slack: cleaned, cut, then escaped, in this order.

Source: https://docs.slack.dev/messaging/formatting-message-text#escaping
"""

import re
from typing import Any
from urllib.parse import urlsplit

from bookings.personal import masked

#: Control characters, marks that turn the reading direction, zero-width blanks, and halves of a character.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
#: What formats a text that Slack reads, and what looks like it. An underscore inside a word formats nothing.
_MARKS = str.maketrans({"*": "\u2217", "~": "\u223c", "`": "\u02cb"})
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
#: With all its escapes: a field takes 2,000 characters.
_LINK_LENGTH = 1_900


def clean(text: str, *, limit: int) -> str:
    """Return one visible line of at most `limit` UTF-16 units."""
    return cut(_HIDDEN.sub("", " ".join(text.split())).strip(), limit=limit)


def cut(text: str, *, limit: int) -> str:
    """Return at most `limit` UTF-16 units, the last of which tells that something is missing."""
    encoded = text.encode("utf-16-le", "ignore")
    if len(encoded) <= limit * 2:
        return text
    return encoded[: (limit - 1) * 2].decode("utf-16-le", "ignore") + "…"


def escape(text: str) -> str:
    """Return text that can neither mention anyone nor hide a link; formatting marks stay as they are."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def words(text: str) -> str:
    """Return text for where there is no plain text: it mentions nobody, hides no link and formats nothing."""
    return escape(_UNDERSCORE.sub("\uff3f", text.translate(_MARKS)))


def link(url: str, label: str, *, limit: int = 75) -> str:
    """Return a link for mrkdwn, or nothing if the address is no web address or too long."""
    address = _HIDDEN.sub("", url).strip()
    if not _is_web_address(address):
        return ""
    target = re.sub(r"\s", "%20", escape(address).replace("|", "%7C"))
    said = words(clean(label, limit=limit)).replace("|", "\u2223")
    made = f"<{target}|{said}>"
    return made if len(made) <= _LINK_LENGTH else ""


def _is_web_address(address: str) -> bool:
    try:
        return urlsplit(address).scheme in {"http", "https"}
    except ValueError:
        return False


def mask(email: str) -> str:
    """Return an e-mail address that can be recognised but not written to: `j***@example.com`."""
    return masked(email)


def plain(text: str) -> dict[str, Any]:
    """Return a text object in which nothing has a meaning."""
    return {"type": "plain_text", "text": text or "-", "emoji": False}


def marked(text: str) -> dict[str, Any]:
    """Return a text object with Slack's formatting; every value in it has to be escaped before."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}
