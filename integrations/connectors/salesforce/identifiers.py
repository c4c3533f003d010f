"""Read Salesforce's record ids: 15 characters, or 18 whose last three tell upper case from lower. Pure.

Sources: https://help.salesforce.com/s/articleView?id=000383751 (15 and 18 characters)
https://help.salesforce.com/s/articleView?id=000385203 (what an id begins with)
"""

import re
import string
from collections.abc import Mapping

#: What a record id of an object begins with.
PREFIXES: Mapping[str, str] = {"001": "Account", "003": "Contact", "00Q": "Lead"}
PEOPLE = frozenset({"Contact", "Lead"})

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?")
#: A record's page: /lightning/r/Contact/003.../view, or /003... in the older interface.
_PAGE = re.compile(r"https?://[^/\s]+/(?:lightning/r/(?:\w+/)?)?([A-Za-z0-9]{15,18})(?:[/?#].*)?")
_CHECK = string.ascii_uppercase + "012345"


def record_id(text: str) -> str:
    """Return the 18 characters of the id that a text is, or of the record's page; nothing where it is neither."""
    given = text.strip()
    page = _PAGE.fullmatch(given)
    found = page.group(1) if page else given
    if not _ID.fullmatch(found):
        return ""
    whole = found[:15] + _check(found[:15])
    return whole if found in {whole, found[:15]} else ""


def object_of(identifier: str) -> str:
    """Return the object that an id belongs to; nothing for one that is none of a person or an account."""
    return PREFIXES.get(identifier[:3], "")


def _check(short: str) -> str:
    """Return the three characters that say which of the fifteen are upper case, five at a time."""
    parts = (short[0:5], short[5:10], short[10:15])
    return "".join(_CHECK[sum(part[at].isupper() << at for at in range(5))] for part in parts)
