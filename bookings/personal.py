"""Find and take out what names a person: an e-mail address in any spelling, a name as whole words. Pure.

A text may carry an address plainly, escaped as JSON escapes it, or as a URL does. Where it stands plainly it is
taken out of the text; where only another spelling of the text shows it, the whole text goes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote, unquote_plus

#: What stands where personal data was.
ERASED = "[erased]"

#: Shorter names are in too many words.
_SHORTEST_NAME = 2
#: `joann@`, `jo.ann@` and `jo+ann@` are other people; so is `ann@example.com.au`.
_ADDRESS = r"(?<!\w)(?<!\w[.+'-]){}(?![\w-])(?!\.\w)"
_NAME = r"(?<!\w){}(?!\w)"
_ONE_ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\"\\]+@[\w-]+(?:\.[\w-]+)+")
_ANY_ADDRESS = re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")
#: How an @ may be written.
_ATS = ("@", "%40", r"\u0040")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
#: What no escaping changes.
_PLAIN_RUN = re.compile(r"[A-Za-z0-9._-]+")
_NESTED_SPELLINGS = 3


def folded(email: str) -> str:
    """Return the address as it is compared: without surrounding space, case-folded."""
    return email.strip().casefold()


def is_address(text: str) -> bool:
    """Tell whether the text is one e-mail address; unlike Django's, its local part may have any letters."""
    return bool(_ONE_ADDRESS.fullmatch(text))


def masked(email: str) -> str:
    """Return an e-mail address that can be recognised but not written to: `j***@example.com`."""
    name, at, host = email.partition("@")
    return f"{name[:1]}***@{host}" if at else "***" if name else ""


@dataclass(frozen=True)
class Wording:
    """Hold how people are written: their addresses, folded, and their names."""

    addresses: frozenset[str]
    names: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = {" ".join(name.split()) for name in self.names}
        words = [_ADDRESS.format(re.escape(a)) for a in sorted(self.addresses, key=len)]
        words += [
            _NAME.format(r"\s+".join(map(re.escape, name.split())))
            for name in sorted(names, key=len, reverse=True)
            if len(name) >= _SHORTEST_NAME
        ]
        return re.compile("|".join(words) or r"(?!)", re.IGNORECASE)

    def is_in(self, text: str) -> bool:
        """Tell whether the text names them, in any spelling."""
        return any(
            self._may_name(spelling) and self._pattern.search(spelling)
            for spelling in _spellings(text)
        )

    @cached_property
    def _roots(self) -> list[str]:
        return [
            *self.addresses,
            *(name.split()[0].casefold() for name in self.names if name.strip()),
        ]

    def _may_name(self, text: str) -> bool:
        """Tell quickly that a text names nobody: the pattern is slow, and most texts are about others."""
        lowered = text.casefold()
        return any(root in lowered for root in self._roots)

    def is_in_body(self, body: bytes) -> bool:
        """Tell whether bytes that came in name them; those that are no UTF-8 are compared as far as they are."""
        return self.is_in(body.decode("utf-8", errors="replace"))

    def scrub(self, value: Any) -> Any:
        """Return JSON with everything that names them replaced; equal to the value where nothing does."""
        match value:
            case str():
                return self._scrub_text(value)
            case Mapping():
                return {self._scrub_text(str(key)): self.scrub(item) for key, item in value.items()}
            case list() | tuple():
                return [self.scrub(item) for item in value]
        return value

    def _scrub_text(self, text: str) -> str:
        plain = self._pattern.sub(ERASED, text)
        if not self.is_in(plain):
            return plain
        address, query, _ = text.partition("?")
        return f"{address}?{ERASED}" if query and not self.is_in(address) else ERASED

    @property
    def anchors(self) -> list[tuple[str, ...]]:
        """Return for each address the ASCII texts that stand in every spelling of it: a filter for SQL.

        They are the longest plain runs of either side of the @, which JSON and URLs may escape themselves.
        """
        return [
            tuple(max(_PLAIN_RUN.findall(side) or [""], key=len) for side in address.split("@"))
            for address in sorted(self.addresses)
        ]


def addresses_in(value: Any) -> Iterator[str]:
    """Yield every e-mail address in JSON, folded, also those that a URL hides."""
    match value:
        case str():
            if any(at in value for at in _ATS):
                for spelling in _spellings(value):
                    yield from (
                        folded(found.strip("'.-")) for found in _ANY_ADDRESS.findall(spelling)
                    )
        case Mapping():
            yield from _in_all(value.values())
        case list() | tuple():
            yield from _in_all(value)


def _in_all(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        yield from addresses_in(value)


def _spellings(text: str) -> Iterator[str]:
    """Yield the text, and what it says once its escapes are read; escaped twice, say JSON inside JSON, too."""
    for _ in range(_NESTED_SPELLINGS):
        yield text
        before = text
        if "\\" in text:
            text = _ESCAPE.sub(_unescape, text)
        if "%" in text:
            is_url = text.startswith(("http://", "https://"))
            text = unquote_plus(text) if is_url else unquote(text)
        if text == before:
            return


def _unescape(escape: re.Match[str]) -> str:
    code, character = escape.groups()
    if code:
        return chr(int(code, 16))
    return " " if character in "nrtbf" else str(character)
