"""Record identifiers: 15 characters, and 3 that tell upper case from lower.

Source: https://help.salesforce.com/s/articleView?id=000383751 (15 and 18 character ids).
"""

import string

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
CHECK = string.ascii_uppercase + "012345"
POD = "5g0000"


def make_id(prefix: str, number: int) -> str:
    """Return the 18 character id of the n-th record of an object."""
    digits = ""
    while number:
        number, rest = divmod(number, len(ALPHABET))
        digits = ALPHABET[rest] + digits
    return long_id(prefix + POD + digits.rjust(15 - len(prefix) - len(POD), "0"))


def long_id(short: str) -> str:
    """Return the 18 character form of a 15 character id; any other text unchanged."""
    if len(short) != 15:
        return short
    parts = (short[0:5], short[5:10], short[10:15])
    marks = [sum(part[at].isupper() << at for at in range(5)) for part in parts]
    return short + "".join(CHECK[mark] for mark in marks)


def looks_like_id(text: str) -> bool:
    """Tell whether a text has the form of an id."""
    return len(text) in {15, 18} and all(letter in ALPHABET for letter in text)
