"""What a simulation found, on the page of its operation."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import F
from django.http import HttpRequest
from django.urls import reverse

from integrations import rehearsing
from integrations.admin.sight import sight
from integrations.admin.words import many
from integrations.models import BulkOperation, Rule, SimulationResult

PER_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Hold a verdict with its number, and the query that shows these alone, or all again."""

    name: str
    label: str
    count: int
    query: str
    is_chosen: bool


def is_simulation(operation: BulkOperation) -> bool:
    """Tell whether an operation is a simulation."""
    return operation.kind == "simulate"


def facts(operation: BulkOperation) -> list[tuple[str, str]]:
    """Return what was asked for, in words."""
    rule = rehearsing.rule_of(operation.options)
    asked = "The conditions alone: no provider was asked." if operation.options.get("conditions_only") else "Conditions and requests; what is only read was asked for."  # fmt: skip
    return [
        ("Rule", rule.name if rule else "deleted meanwhile"),
        ("Bookings", f"{many(len(operation.choice.get('pks', [])), 'booking')}, each with the newest that the rule asks for"),
        ("Tried", asked),
        ("Written or sent", "Nothing."),
    ]  # fmt: skip


def report(operation: BulkOperation, request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows below the progress; nothing for another operation."""
    if not is_simulation(operation):
        return {}
    verdict = request.GET.get("verdict", "")
    rule = rehearsing.rule_of(operation.options)
    return {
        "simulation": {
            "groups": [_group(row, chosen=verdict) for row in rehearsing.summary(operation)],
            "page": _page(operation, verdict, request.GET.get("page", "1")),
            "query": urlencode({"verdict": verdict}) if verdict else "",
            "rule": rule, "is_changed": _is_changed(rule, operation),
            "try_url": _try_url(rule, request), "decided": SimulationResult.DECIDED,
        },
        **sight(request.user),
    }  # fmt: skip


def _group(row: tuple[str, str, int], *, chosen: str) -> Group:
    name, label, count = row
    query = "" if name == chosen else urlencode({"verdict": name})
    return Group(name=name, label=label, count=count, query=query, is_chosen=name == chosen)


def _page(operation: BulkOperation, verdict: str, number: str) -> Page[SimulationResult]:
    rows = SimulationResult.objects.filter(operation=operation).select_related(
        "chain__booking__event_type"
    )
    rows = rows.defer("chain__raw", "chain__booking__raw").order_by(
        F("happened_at").desc(nulls_last=True), "id"
    )
    return Paginator(rows.filter(verdict=verdict) if verdict else rows, PER_PAGE).get_page(number)


def _is_changed(rule: Rule | None, operation: BulkOperation) -> bool:
    return rule is None or rule.updated_at.isoformat() != operation.options.get("as_of")


def _try_url(rule: Rule | None, request: HttpRequest) -> str:
    may = rule is not None and request.user.has_perm("integrations.change_rule")
    return reverse("admin:integrations_rule_try", args=[rule.pk]) if rule and may else ""
