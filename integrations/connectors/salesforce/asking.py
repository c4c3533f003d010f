"""Ask who many invitees are in as few queries as there can be, and give each what a look-up of its own would bring. Pure.

Sources: https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_limits.htm
https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_api.htm
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from integrations.connectors.salesforce import looking
from integrations.connectors.salesforce.errors import as_error, read_problem
from integrations.connectors.salesforce.identifiers import PREFIXES, object_of
from integrations.connectors.salesforce.looking import BY_ADDRESS, Inquiry
from integrations.connectors.salesforce.mapping import soql_text
from integrations.errors import PermanentError

#: The most values in one list, and the most bytes of one query's address, which Salesforce takes up to 16,384 of.
MAX_VALUES = 200
MAX_ADDRESS = 15_000
#: Of queries one composite call takes so many.
MAX_QUERIES = 5

Row = Mapping[str, Any]
Answers = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Hold one query for many; `part` is what of each one's own look-up it answers, `reference` its own name."""

    reference: str
    part: str
    resource: str
    soql: str


def queries(inquiries: Sequence[Inquiry]) -> list[Asked]:
    """Return the queries that bring everything that is asked for."""
    found = [
        (part, resource, soql)
        for part, resource, head, tests in _wanted(inquiries)
        for soql in _cut(head, tests)
    ]
    return [
        Asked(reference=f"{part}{place}", part=part, resource=resource, soql=soql)
        for place, (part, resource, soql) in enumerate(found)
    ]


def calls(asked: Sequence[Asked]) -> list[tuple[Asked, ...]]:
    """Return which queries travel in one call."""
    return [tuple(asked[at : at + MAX_QUERIES]) for at in range(0, len(asked), MAX_QUERIES)]


def replies(
    inquiries: Sequence[Inquiry], asked: Sequence[Asked], answers: Answers
) -> list[dict[str, Any] | None]:
    """Return each one's own answer, as its own call would have it; None for one that has to ask alone.

    That is who needed a query that is refused, perhaps for another's sake, and who found nothing where Salesforce
    found what we can put to nobody's account: it compares otherwise than we do.
    """
    tables = {part: _table(part, asked, answers) for part in {one.part for one in asked}}
    owned = {part: _owned(part, table.rows, inquiries) for part, table in tables.items()}
    found = []
    for place, inquiry in enumerate(inquiries):
        needed = dict(looking.queries(inquiry))
        mine = {part: owned[part].of[place] for part in needed}
        lost = any(
            tables[part].is_refused or (owned[part].has_strays and not mine[part])
            for part in needed
        )
        found.append(None if lost else _composite(mine, tables))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Hold what all queries of one part brought, or the answer of one that failed."""

    rows: tuple[Row, ...] = ()
    failed: Mapping[str, Any] | None = None

    @property
    def is_refused(self) -> bool:
        if self.failed is None:
            return False
        problem = read_problem(
            status=int(self.failed["httpStatusCode"]), body=self.failed.get("body")
        )
        return isinstance(as_error(problem), PermanentError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owned:
    of: list[list[Row]]
    has_strays: bool


def _table(part: str, asked: Sequence[Asked], answers: Answers) -> _Table:
    rows: dict[str, Row] = {}
    for one in asked:
        if one.part == part:
            answer = answers[one.reference]
            if int(answer["httpStatusCode"]) != 200:
                return _Table(failed=answer)
            rows.update({str(row["Id"]): row for row in answer["body"]["records"]})
    newest = sorted(rows.values(), key=lambda row: str(row.get("LastModifiedDate")), reverse=True)
    return _Table(rows=tuple(newest))


def _owned(part: str, rows: Sequence[Row], inquiries: Sequence[Inquiry]) -> _Owned:
    """Put each row to the account of everybody who asked for it."""
    by_value: dict[str, list[int]] = {}
    for place, inquiry in enumerate(inquiries):
        for value in _values(part, inquiry):
            by_value.setdefault(value, []).append(place)
    of: list[list[Row]] = [[] for _ in inquiries]
    has_strays = False
    for row in rows:
        places = _places(part, row, by_value, inquiries)
        has_strays = has_strays or not places
        for place in places:
            if row["Id"] not in inquiries[place].refused or part.endswith("ById"):
                of[place].append(row)
    return _Owned(of=[mine[: looking.MOST] for mine in of], has_strays=has_strays)


def _values(part: str, inquiry: Inquiry) -> Iterator[str]:
    """Yield what of a row makes it an inquiry's own."""
    if part.endswith("ById"):
        yield from inquiry.ids
    elif part == "Account":
        yield inquiry.asked.get("accounts", "").casefold()
    elif part == "User":
        yield inquiry.host.casefold()
    elif part == "Event":
        yield inquiry.event_id
    else:
        yield f"email {inquiry.asked.get(BY_ADDRESS[part], '').casefold()}"
        if inquiry.asked.get("external"):
            yield f"key {inquiry.key.casefold()}"


def _places(
    part: str, row: Row, by_value: Mapping[str, list[int]], inquiries: Sequence[Inquiry]
) -> list[int]:
    if part.endswith("ById") or part == "Event":
        return by_value.get(str(row["Id"]), [])
    if part == "User":
        return by_value.get(str(row.get("Email") or "").casefold(), [])
    if part == "Account":
        website = str(row.get("Website") or "").casefold()
        near = [places for domain, places in by_value.items() if domain and domain in website]
        return sorted({place for places in near for place in places})
    external = next((one.asked["external"] for one in inquiries if one.asked.get("external")), "")
    email, key = (str(row.get(name) or "").casefold() for name in ("Email", external))
    places = [*(by_value.get(f"email {email}", ()) if email else ()),
              *(by_value.get(f"key {key}", ()) if key else ())]  # fmt: skip
    return list(dict.fromkeys(places))


def _composite(mine: Mapping[str, list[Row]], tables: Mapping[str, _Table]) -> dict[str, Any]:
    return {
        "compositeResponse": [
            {**(tables[part].failed or _success(rows)), "referenceId": part}
            for part, rows in mine.items()
        ]
    }


def _success(rows: list[Row]) -> dict[str, Any]:
    body = {"totalSize": len(rows), "done": True, "records": rows}
    return {"httpStatusCode": 200, "httpHeaders": {}, "body": body}


def _wanted(
    inquiries: Sequence[Inquiry],
) -> Iterator[tuple[str, str, tuple[str, str], list[tuple[str, str]]]]:
    """Yield part, resource, what stands before and behind the conditions, and these: a field and a value each."""
    first = inquiries[0]
    external = next((one.asked["external"] for one in inquiries if one.asked.get("external")), "")
    for kind, name in BY_ADDRESS.items():
        emails = [one.asked[name] for one in inquiries if one.asked.get(name)]
        keys = [one.key for one in inquiries if one.asked.get("external")]
        more = "".join(f", {column}" for column in ("Email", external) if column)
        tests = [*(("Email", value) for value in emails), *((external, value) for value in keys)]
        before, behind = looking.around(kind, first, more=more)
        yield kind, "query", (before, f" {behind}"), tests
    domains = [one.asked["accounts"] for one in inquiries if one.asked.get("accounts")]
    before, behind = looking.around("Account", first)
    companies = (before, f"{looking.companies_only(first)} {behind}")
    yield "Account", "query", companies, [("Website", one) for one in domains]
    for kind in PREFIXES.values():
        ids = sorted(
            {one for inquiry in inquiries for one in inquiry.ids if object_of(one) == kind}
        )
        if kind != "Account" or first.person_accounts:
            before, behind = looking.around(kind, first, more=looking.ended_fields(kind))
            yield f"{kind}ById", "queryAll", (before, f" {behind}"), [("Id", one) for one in ids]

    yield from _about_owners(inquiries)


def _about_owners(
    inquiries: Sequence[Inquiry],
) -> Iterator[tuple[str, str, tuple[str, str], list[tuple[str, str]]]]:
    hosts = [("Email", one.host) for one in inquiries if one.host]
    yield "User", "query", (looking.USERS, looking.STAFF), hosts
    events = [("Id", one.event_id) for one in inquiries if one.event_id]
    yield "Event", "query", (looking.EVENTS, ""), events


def _cut(head: tuple[str, str], tests: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield queries for all values, each within the bounds; one field a query."""
    by_field: dict[str, list[str]] = {}
    for name, value in tests:
        by_field.setdefault(name, []).append(value)
    for name, values in by_field.items():
        bare = _length(_soql(head, name, []))
        held: list[str] = []
        length = bare
        for test in dict.fromkeys(_test(name, value) for value in values):
            more = _length(test) + _length(_between(name))
            if held and (len(held) == MAX_VALUES or length + more > MAX_ADDRESS):
                yield _soql(head, name, held)
                held, length = [], bare
            held.append(test)
            length += more
        yield _soql(head, name, held)


def _test(name: str, value: str) -> str:
    return f"Website LIKE {soql_text(f'%{value}%')}" if name == "Website" else soql_text(value)


def _between(name: str) -> str:
    return " OR " if name == "Website" else ", "


def _soql(head: tuple[str, str], name: str, tests: Sequence[str]) -> str:
    before, behind = head
    listed = f"({_between(name).join(tests)})"
    return (
        f"{before} {listed}{behind}"
        if name == "Website"
        else f"{before} {name} IN {listed}{behind}"
    )


def _length(soql: str) -> int:
    return len(quote(soql, safe=""))
