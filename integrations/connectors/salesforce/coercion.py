"""Make a value fit a field of Salesforce, or say why it does not. Pure.

Source: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/field_types.htm
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from integrations.connectors.salesforce.describing import storable
from integrations.connectors.salesforce.schema import FieldType
from integrations.connectors.templating import folded
from integrations.connectors.values import Value, as_text

#: Types of fields that hold free text, and of these the ones with lines.
_TEXTS = frozenset({"string", "textarea", "phone", "combobox", "encryptedstring", "anytype"})
_LISTS = frozenset({"picklist", "multipicklist"})
APPENDABLE = frozenset({"string", "textarea", "combobox", "multipicklist"})

_EMAIL = re.compile(r"[^@\s<>(),;:\"\[\]]+@[^@\s<>(),;:\"\[\]]+\.[^@\s.<>(),;:\"\[\]]+")
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[ ,'\u00a0\u202f]\d{3})+)(?:\.\d+)?")
_YES = frozenset({"true", "yes", "y", "1", "on", "ja", "oui", "x"})
_NO = frozenset({"false", "no", "n", "0", "off", "nein", "non", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Hold a value as its field takes it, or None, with what was changed or why it does not fit."""

    value: Any
    notes: tuple[str, ...] = ()


def fit(value: Value, kind: FieldType, *, zone: str = "") -> Fit:
    """Return the value as the field takes it; `zone` is where a moment's date is read."""
    if value is None or value == "":
        return Fit(value=None)
    if kind.type in _TEXTS:
        return _text(value, kind)
    if kind.type in {"date", "time"}:
        return _day_or_time(value, kind, zone=zone)
    reader = _READERS.get(kind.type)
    return (
        reader(value, kind) if reader else _misfit(value, kind, "Calsync cannot write such a field")
    )


def cut(text: str, limit: int) -> str:
    """Return at most `limit` UTF-16 units of the text, which is how Salesforce counts; never half a character."""
    encoded = text.encode("utf-16-le", "ignore")
    return encoded[: limit * 2].decode("utf-16-le", "ignore")


def one_line(text: str) -> str:
    """Return the text with every run of white space as one blank and without control characters."""
    return storable(" ".join(text.split()))


def utc(moment: datetime) -> str:
    """Return a moment as Salesforce reads it: UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def appended(held: Any, text: Any, kind: FieldType | None) -> tuple[Any, str]:
    """Return the text with the new one behind it, once however often, or why it stays as it is."""
    if text in (None, ""):
        return held, ""
    if held in (None, ""):
        return text, ""
    if kind is not None and kind.type == "multipicklist":
        chosen = [*str(held).split(";"), *str(text).split(";")]
        return ";".join(dict.fromkeys(chosen)), ""
    lines, between = _apart(kind)
    before, new = lines(str(held)), lines(str(text))
    if f"{between}{new}{between}" in f"{between}{before}{between}":
        return held, ""
    joined = f"{before}{between}{new}"
    if kind is not None and kind.length and _units(joined) > kind.length:
        return held, f"no room for more: the field holds {kind.length} characters; left as it is"
    return joined, ""


def same(one: Any, other: Any, kind: FieldType | None) -> bool:
    """Tell whether Salesforce holds two values for the same; nothing and an empty text are."""
    if one in (None, "") or other in (None, ""):
        return one in (None, "") and other in (None, "")
    return bool(comparable(one, kind) == comparable(other, kind))


def comparable(value: Any, kind: FieldType | None) -> Any:
    """Return a value so that two that Salesforce holds for the same are equal."""
    name = kind.type if kind else ""
    if name == "datetime":
        try:
            return datetime.fromisoformat(str(value)).astimezone(UTC)
        except ValueError:
            return value
    if name == "reference":
        return str(value)[:15]
    if name == "email":
        return str(value).lower()
    if name == "multipicklist":
        return sorted(str(value).split(";"))
    return _lines(value) if isinstance(value, str) else value


def _apart(kind: FieldType | None) -> tuple[Callable[[str], str], str]:
    """Return how a field's text is read, and what stands between two texts: lines, where it has any."""
    if kind is not None and kind.type == "textarea":
        return _lines, "\n"
    return one_line, "; "


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "ignore")) // 2


def _shown(value: Value) -> str:
    text = one_line(as_text(value))
    return f"{text[:60]!r}{'...' if len(text) > 60 else ''}"


def _misfit(value: Value, kind: FieldType, why: str) -> Fit:
    return Fit(value=None, notes=(f"{_shown(value)} {why} ({kind.in_words}); left as it is.",))


def _text(value: Value, kind: FieldType) -> Fit:
    written = as_text(value)
    text = storable(_lines(written)).strip() if kind.type == "textarea" else one_line(written)
    if not text:
        return Fit(value=None)
    if not kind.length or _units(text) <= kind.length:
        return Fit(value=text)
    short = cut(text, kind.length).rstrip()
    told = (
        f"cut from {_units(text)} to {kind.length} characters, which is all that the field holds."
    )
    return Fit(value=short, notes=(told,))


def _whole(value: Value, kind: FieldType, pattern: re.Pattern[str] | None, why: str) -> Fit:
    """Return a text that means nothing once it is cut or wrong."""
    text = one_line(as_text(value))
    if pattern is not None and not pattern.fullmatch(text):
        return _misfit(value, kind, why)
    if kind.length and _units(text) > kind.length:
        return _misfit(value, kind, "is too long")
    return Fit(value=text)


def _email(value: Value, kind: FieldType) -> Fit:
    return _whole(value, kind, _EMAIL, "is no e-mail address")


def _url(value: Value, kind: FieldType) -> Fit:
    return _whole(value, kind, None, "")


def _reference(value: Value, kind: FieldType) -> Fit:
    return _whole(value, kind, _ID, "is no id of a record")


def _boolean(value: Value, kind: FieldType) -> Fit:
    if isinstance(value, bool):
        return Fit(value=value)
    word = folded(as_text(value))
    if word in _YES | _NO:
        return Fit(value=word in _YES)
    return _misfit(value, kind, "is neither yes nor no")


def _read_number(value: Value) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else None
    text = as_text(value).strip()
    if not isinstance(value, str) or not _NUMBER.fullmatch(text):
        return None
    return float(re.sub(r"[ ,'\u00a0\u202f]", "", text))


def _int(value: Value, kind: FieldType) -> Fit:
    number = _read_number(value)
    if number is None or not number.is_integer():
        return _misfit(value, kind, "is no whole number")
    if abs(number) > 2_147_483_647:
        return _misfit(value, kind, "is too large")
    return Fit(value=int(number))


def _double(value: Value, kind: FieldType) -> Fit:
    text = as_text(value).strip().removesuffix("%").strip() if kind.type == "percent" else value
    number = _read_number(text)
    if number is None:
        return _misfit(value, kind, "is no number")
    if kind.precision and abs(number) >= 10 ** max(0, kind.precision - kind.scale):
        return _misfit(value, kind, "is too large")
    return Fit(value=round(number, kind.scale) if kind.precision else number)


def _moment(value: Value) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        read = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _datetime(value: Value, kind: FieldType) -> Fit:
    moment = _moment(value)
    return _misfit(value, kind, "is no date and time") if moment is None else Fit(value=utc(moment))


def _day_or_time(value: Value, kind: FieldType, *, zone: str) -> Fit:
    """Return the date, or the time of day, as the clock in a zone shows it; a plain date stays that date."""
    if kind.type == "date" and isinstance(value, str):
        try:
            return Fit(value=date.fromisoformat(value.strip()).isoformat())
        except ValueError:
            pass
    moment = _moment(value)
    if moment is None:
        return _misfit(value, kind, "is no date" if kind.type == "date" else "is no time of day")
    local = _in_zone(moment, zone)
    return Fit(value=f"{local:%Y-%m-%d}" if kind.type == "date" else f"{local:%H:%M:%S}.000Z")


def _in_zone(moment: datetime, zone: str) -> datetime:
    try:
        return moment.astimezone(ZoneInfo(zone) if zone else UTC)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return moment.astimezone(UTC)


def _chosen(text: str, kind: FieldType) -> str | None:
    """Return the value of a list that a text names, by value or label, whatever its case."""
    exact = next((value for value, _ in kind.choices if value == text), None)
    alike = folded(text)
    near = (value for value, label in kind.choices if alike in {folded(value), folded(label)})
    return exact if exact is not None else next(near, None)


def _picklist(value: Value, kind: FieldType) -> Fit:
    text = one_line(as_text(value))
    found = _chosen(text, kind)
    if found is not None:
        return Fit(value=found)
    if kind.restricted:
        return _misfit(value, kind, f"is none of {_listed(kind)}")
    return _whole(value, kind, None, "")


def _multipicklist(value: Value, kind: FieldType) -> Fit:
    """Return several values; Calendly gives each ticked answer a line."""
    parts = [one_line(part) for part in re.split(r"[;\n]", as_text(value))]
    fits = [_picklist(part, kind) for part in parts if part]
    chosen = [str(item.value) for item in fits if item.value is not None]
    notes = tuple(note for item in fits for note in item.notes)
    return Fit(value=";".join(dict.fromkeys(chosen)) or None, notes=notes)


def _listed(kind: FieldType) -> str:
    shown = [value for value, _ in kind.choices[:8]]
    return ", ".join(shown) + (", ..." if len(kind.choices) > len(shown) else "")


_READERS: Mapping[str, Callable[[Value, FieldType], Fit]] = {
    "boolean": _boolean,
    "currency": _double,
    "datetime": _datetime,
    "double": _double,
    "email": _email,
    "int": _int,
    "multipicklist": _multipicklist,
    "percent": _double,
    "picklist": _picklist,
    "reference": _reference,
    "url": _url,
}
