"""A small SOQL: what an integration asks to find its records again.

Source: https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox.clock import parse_time
from integrations.sandbox.salesforce.errors import SalesforceError
from integrations.sandbox.salesforce.schema import Field, ObjectType
from integrations.sandbox.web import Json

TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')"
    r"|(?P<time>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d))?)"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<days>(?i:LAST_N_DAYS):\d+)"
    r"|(?P<word>[A-Za-z_][\w.]*)"
    r"|(?P<sign>!=|<>|<=|>=|[=<>(),]))"
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<>": lambda left, right: bool(left != right),
    "<": lambda left, right: left is not None and bool(left < right),
    ">": lambda left, right: left is not None and bool(left > right),
    "<=": lambda left, right: left is not None and bool(left <= right),
    ">=": lambda left, right: left is not None and bool(left >= right),
}
Test = Callable[[Json], bool]
Order = tuple[str, bool, bool]


@dataclass(frozen=True)
class Query:
    """Describe a parsed query; `fields` None asks for the count alone."""

    kind: ObjectType
    fields: list[str] | None
    test: Test
    order: list[Order]
    limit: int | None

    def run(self, rows: list[Json]) -> list[Json]:
        """Return the rows that pass, sorted and cut."""
        found = [row for row in rows if self.test(row)]
        for name, descending, nulls_last in reversed(self.order):
            found.sort(key=lambda row: comparable(row[name]) or "", reverse=descending)
            found.sort(key=lambda row: (row[name] is None) == nulls_last)
        return found if self.limit is None else found[: self.limit]


def malformed(reason: str) -> SalesforceError:
    """Return the error for a query that cannot be read."""
    return SalesforceError("MALFORMED_QUERY", reason)


def comparable(value: Any) -> Any:
    """Return a stored value in a form in which equal and later values compare."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*", value):
        return parse_time(value).timestamp()
    return value.lower() if isinstance(value, str) else value


class Parser:
    """Read one query, from left to right."""

    def __init__(
        self,
        text: str,
        find: Callable[[str], ObjectType | None],
        rows: Callable[[ObjectType], list[Json]],
        *,
        now: datetime,
    ) -> None:
        self._find = find
        self._rows = rows
        self._now = now
        self._tokens = list(tokens(text))
        self._at = 0
        self._kind: ObjectType

    def parse(self) -> Query:
        """Return the query. Raises SalesforceError MALFORMED_QUERY or INVALID_FIELD."""
        query = self._query()
        if self._peek()[1]:
            raise malformed(f"unexpected token: '{self._peek()[1]}'")
        return query

    def _query(self) -> Query:
        self._expect("select")
        selected = self._selected()
        self._expect("from")
        self._kind = self._object(self._next()[1])
        fields = None if selected is None else [self._column(name) for name in selected]
        test = self._any() if self._accept("where") else lambda row: True
        order = self._order() if self._accept("order") else []
        limit = int(self._value()) if self._accept("limit") else None
        return Query(self._kind, fields, test, order, limit)

    def _selected(self) -> list[str] | None:
        names = [self._word()]
        if names[0].lower() == "count" and self._accept("("):
            self._expect(")")
            return None
        while self._accept(","):
            names.append(self._word())
        return names

    def _object(self, name: str) -> ObjectType:
        kind = self._find(name)
        if kind is None:
            raise SalesforceError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
        return kind

    def _field(self, name: str) -> Field:
        item = self._kind.find(name)
        if item is None:
            message = f"No such column '{name}' on entity '{self._kind.name}'."
            raise SalesforceError("INVALID_FIELD", message)
        return item

    def _column(self, name: str) -> str:
        """Return a field's name as the answer spells it; `Owner.Name` is one of the record that `OwnerId` names."""
        parent, dot, rest = name.partition(".")
        if not dot:
            return self._field(name).name
        link = self._kind.find(f"{parent}Id")
        if link is None or link.type != "reference":
            message = f"Didn't understand relationship '{parent}' in field path."
            raise SalesforceError("INVALID_FIELD", message)
        kinds = [self._object(kind) for kind in link.refers_to]
        found = next((item for item in (kind.find(rest) for kind in kinds) if item), None)
        if found is None:
            message = f"No such column '{rest}' on entity '{kinds[0].name}'."
            raise SalesforceError("INVALID_FIELD", message)
        return f"{link.name.removesuffix('Id')}.{found.name}"

    def _any(self) -> Test:
        tests = [self._all()]
        while self._accept("or"):
            tests.append(self._all())
        return lambda row: any(test(row) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._accept("and"):
            tests.append(self._one())
        return lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self._accept("not"):
            inner = self._one()
            return lambda row: not inner(row)
        if self._accept("("):
            inner = self._any()
            self._expect(")")
            return inner
        return self._condition(self._field(self._word()).name)

    def _condition(self, name: str) -> Test:
        negated = self._accept("not")
        if self._accept("in"):
            values = {comparable(value) for value in self._list()}
            return lambda row: (comparable(row[name]) in values) is not negated
        if negated:
            raise malformed("expecting IN after NOT")
        if self._accept("like"):
            pattern = like(self._value())
            return lambda row: bool(pattern.fullmatch(str(row[name] or "")))
        sign = self._next()[1]
        if sign not in OPERATORS:
            raise malformed(f"unexpected token: '{sign}'")
        if sign == "=" and self._peek()[0] == "days":
            since = self._days_ago(int(self._next()[1].partition(":")[2]))
            return lambda row: row[name] is not None and comparable(row[name]) >= since
        compare, wanted = OPERATORS[sign], comparable(self._value())
        return lambda row: compare(comparable(row[name]), wanted)

    def _days_ago(self, days: int) -> float:
        """Return when the day began that was so many days ago."""
        day = self._now - timedelta(days=days)
        return day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()

    def _list(self) -> list[Any]:
        self._expect("(")
        if self._peek()[1].lower() == "select":
            return self._semi_join()
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return values

    def _semi_join(self) -> list[Any]:
        """Return the ids that a query inside the query finds; it is one of another object.

        Source: https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_comparisonoperators.htm
        """
        outer = self._kind
        inner = self._query()
        self._expect(")")
        self._kind = outer
        if inner.kind is outer or inner.order or inner.limit is not None:
            raise malformed("a semi join asks another object, without order and limit")
        if inner.fields is None or len(inner.fields) != 1:
            raise malformed("a semi join selects one field")
        found = inner.run(self._rows(inner.kind))
        return [row[inner.fields[0]] for row in found if row[inner.fields[0]] is not None]

    def _value(self) -> Any:
        kind, text = self._next()
        constants = {"null": None, "true": True, "false": False}
        if kind == "string":
            return unescaped(text[1:-1])
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "time":
            return text
        if kind == "word" and text.lower() in constants:
            return constants[text.lower()]
        raise malformed(f"unexpected token: '{text}'")

    def _order(self) -> list[Order]:
        self._expect("by")
        order = [self._sorting()]
        while self._accept(","):
            order.append(self._sorting())
        return order

    def _sorting(self) -> Order:
        name = self._field(self._word()).name
        descending = self._accept("desc") or (self._accept("asc") and False)
        nulls_last = False
        if self._accept("nulls"):
            nulls_last = self._accept("last") or (self._accept("first") and False)
        return name, descending, nulls_last

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            raise malformed(f"unexpected token: '{text}'")
        return text

    def _accept(self, word: str) -> bool:
        kind, text = self._peek()
        if kind == "string" or text.lower() != word:
            return False
        self._at += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise malformed(f"expecting '{word}', found '{self._peek()[1]}'")


def tokens(text: str) -> list[tuple[str, str]]:
    """Cut a query into (kind, text) pairs. Raises SalesforceError MALFORMED_QUERY."""
    found, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise malformed(f"unexpected character at {at}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def unescaped(text: str) -> str:
    """Return what a quoted string means."""
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), text)


def like(pattern: str) -> re.Pattern[str]:
    """Return a regular expression for a LIKE pattern with % and _."""
    parts = {"%": ".*", "_": "."}
    return re.compile(
        "".join(parts.get(one) or re.escape(one) for one in pattern), re.IGNORECASE | re.DOTALL
    )
