"""Make a stranger's words safe for Slack: cleaned, cut, then escaped, in this order.

Source: https://docs.slack.dev/messaging/formatting-message-text#escaping
"""

import re
from typing import Any
from urllib.parse import urlsplit

#: Control characters, marks that turn the reading direction, zero-width blanks, and halves of a character.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_LINK_LENGTH = 2_000


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


def link(url: str, label: str) -> str:
    """Return a link for mrkdwn, or nothing if the address is no web address or too long."""
    address = _HIDDEN.sub("", url).strip()
    if not _is_web_address(address) or len(address) > _LINK_LENGTH:
        return ""
    return f"<{escape(address).replace('|', '%7C').replace(' ', '%20')}|{escape(label)}>"


def _is_web_address(address: str) -> bool:
    try:
        return urlsplit(address).scheme in {"http", "https"}
    except ValueError:
        return False


def mask(email: str) -> str:
    """Return an e-mail address that can be recognised but not written to: `j***@example.com`."""
    name, at, host = email.partition("@")
    return f"{name[:1]}***@{host}" if at else "***" if name else ""


def plain(text: str) -> dict[str, Any]:
    """Return a text object in which nothing has a meaning."""
    return {"type": "plain_text", "text": text or "-", "emoji": False}


def marked(text: str) -> dict[str, Any]:
    """Return a text object with Slack's formatting; every value in it has to be escaped before."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}
