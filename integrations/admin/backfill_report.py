"""What a backfill found, as its page shows it: how many of what, and page by page which."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Count

from bookings.covering import cover_all
from bookings.discretion import Discretion
from bookings.models import Booking, BookingEvent
from integrations.models import BackfillFinding, BackfillProblem, BackfillRun
from integrations.timeline import Change, changes_in_words

Verdict = BackfillFinding.Verdict

PER_PAGE = 25
#: Skipped objects that the page shows.
PROBLEMS_SHOWN = 100

_MEANINGS: Mapping[str, tuple[str, str]] = {
    Verdict.MISSED: (
        "Missed by webhook",
        "A webhook should have told of it and did not. If there are many, look at the subscription.",
    ),
    Verdict.UNANNOUNCED: (
        "Never announced",
        "The provider sends no webhook for such a change, so only a backfill finds it.",
    ),
    Verdict.HISTORY: (
        "From before",
        "It happened before the subscription was made: nobody was listening yet.",
    ),
    Verdict.FRESH: ("Just now", "So recent that its webhook may still be on its way."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCount:
    """Count one kind of fact; `query` shows these alone."""

    label: str
    count: int
    query: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictGroup:
    """Count what was found for one reason, by kind, most first; `meaning` is for staff."""

    verdict: str
    label: str
    meaning: str
    count: int
    kinds: tuple[KindCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """Hold one finding with its booking, if that is in the mirror, and what changed, in words."""

    finding: BackfillFinding
    kind: str
    verdict: str
    booking: Booking | None
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemRow:
    """Hold one object that was skipped, with its booking if the mirror has one."""

    problem: BackfillProblem
    booking: Booking | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Hold everything below a run's progress; `query` keeps the choice while paging."""

    groups: tuple[VerdictGroup, ...]
    page: Page[BackfillFinding]
    rows: tuple[FindingRow, ...]
    query: str
    problems: tuple[ProblemRow, ...]


def report(
    run: BackfillRun, *, discretion: Discretion, verdict: str = "", kind: str = "", page: str = "1"
) -> Report:
    """Return what a run found, narrowed to a verdict and a kind; a page out of range is the nearest."""
    chosen = {name: value for name, value in (("verdict", verdict), ("kind", kind)) if value}
    findings = run.findings.filter(**chosen).select_related("event__invitee").order_by("id")
    shown = Paginator(findings, PER_PAGE).get_page(page)
    return Report(
        groups=tuple(_groups(run, chosen)),
        page=shown,
        rows=tuple(_rows(cover_all(shown.object_list, discretion), discretion)),
        query=urlencode(chosen),
        problems=tuple(_problems(run, discretion)),
    )


def kind_in_words(kind: str) -> str:
    """Return the kind of a finding as staff read it."""
    labels = dict(BookingEvent.Kind.choices)
    return str(labels.get(kind) or {"vanished": "gone at the provider"}.get(kind, kind))


def _groups(run: BackfillRun, chosen: Mapping[str, str]) -> Iterator[VerdictGroup]:
    counted = run.findings.order_by().values_list("verdict", "kind").annotate(Count("id"))
    counts = Counter({(verdict, kind): number for verdict, kind, number in counted})
    for verdict, (label, meaning) in _MEANINGS.items():
        mine = [(kind, number) for (v, kind), number in counts.most_common() if v == verdict]
        if mine:
            yield VerdictGroup(
                verdict=str(verdict),
                label=label,
                meaning=meaning,
                count=sum(number for _, number in mine),
                kinds=tuple(_kind(str(verdict), kind, number, chosen) for kind, number in mine),
            )


def _kind(verdict: str, kind: str, count: int, chosen: Mapping[str, str]) -> KindCount:
    mine = {"verdict": verdict, "kind": kind}
    return KindCount(
        label=kind_in_words(kind), count=count, query=urlencode(mine), is_chosen=mine == chosen
    )


def _rows(findings: list[BackfillFinding], discretion: Discretion) -> Iterator[FindingRow]:
    bookings = _bookings((finding.booking_uri for finding in findings), discretion)
    for finding in findings:
        changes: Mapping[str, Any] = finding.event.changes if finding.event else {}
        yield FindingRow(
            finding=finding,
            kind=kind_in_words(finding.kind),
            verdict=_MEANINGS[finding.verdict][0],
            booking=bookings.get(finding.booking_uri),
            changes=tuple(changes_in_words(changes)),
        )


def _problems(run: BackfillRun, discretion: Discretion) -> Iterator[ProblemRow]:
    problems = cover_all(run.problems.order_by("id")[:PROBLEMS_SHOWN], discretion)
    bookings = _bookings((problem.uri for problem in problems), discretion)
    for problem in problems:
        yield ProblemRow(problem=problem, booking=bookings.get(problem.uri))


def _bookings(uris: Iterator[str], discretion: Discretion) -> Mapping[str, Booking]:
    named = Booking.objects.select_related("event_type").defer("raw", "event_type__raw")
    found = named.in_bulk(list(uris), field_name="uri")
    cover_all(found.values(), discretion)
    return found
