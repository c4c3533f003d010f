"""The first page: is all well, what needs a person, how far behind each connection is, and how the machine is.

What it tells is read by `integrations.overview`; here it gets its links. The part that changes is fetched again from
`status` while the page is open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from bookings.counting import counted
from bookings.discretion import Discretion
from bookings.models import Booking
from integrations import overview
from integrations.admin.error_inbox import cause_url, inbox_url
from integrations.admin.home_charts import booking_chart, delivery_chart
from integrations.admin.mending import ADVICE
from integrations.admin.navigation import list_url, may_see
from integrations.admin.providers import get_provider
from integrations.models import BackfillRun, Connection, Delivery, Rule
from integrations.overview import Need, Overview, Standing, Step
from integrations.overview.needs import FINDERS


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedRow:
    """Hold what needs a person, the page behind it, and what of its cause this person may read."""

    need: Need
    url: str
    why: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCard:
    """Hold a connection's standing with its links; the numbers are empty for who may not see deliveries."""

    standing: Standing
    provider: str
    url: str
    waiting: str
    waiting_url: str
    failed: str
    failed_url: str
    has_failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """Hold a step of setting up, done, next or later, and where it is taken; no address where this person may not."""

    step: Step
    state: str
    url: str


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the first page all that it shows; `UNFOLD["DASHBOARD_CALLBACK"]`."""
    now = timezone.now()
    charts = []
    if may_see(request, _label(Booking)):
        charts.append(booking_chart(now=now))
    if may_see(request, _label(Delivery)):
        charts.append(delivery_chart(now=now))
    return {**context, **_status(request, now=now), "charts": charts, "title": "Home"}


@require_GET
def status(request: HttpRequest) -> HttpResponse:
    """Show the part of the first page that changes."""
    return TemplateResponse(request, "admin/calsync/home/status.html", _status(request, now=timezone.now()))  # fmt: skip


def _status(request: HttpRequest, *, now: datetime) -> dict[str, Any]:
    seen = frozenset(model for model, _ in FINDERS if may_see(request, _label(model)))
    found = overview.look(now=now, seen=seen)
    discretion = Discretion.of(request.user)
    return {
        "overview": found,
        "now": now,
        "needs": [_need_row(need, discretion=discretion) for need in found.needs],
        "cards": [_card(row, found, sees_deliveries=Delivery in seen) for row in found.standings],
        "steps": [] if found.is_set_up else list(_step_rows(request, found.steps)),
    }


def _need_row(need: Need, *, discretion: Discretion) -> NeedRow:
    hint = need.hint
    if need.failure and not discretion.is_clear:  # a provider's hint, which may name somebody
        hint = ADVICE.get(need.failure.failure_class, "")
    return NeedRow(need=need, url=_need_url(need), why=discretion.text(need.why), hint=hint)


def _need_url(need: Need) -> str:
    if need.failure:
        group = need.failure
        return cause_url(
            connection_id=group.connection_id, failure_class=group.failure_class, cause=group.cause
        )
    if need.model is None:
        return ""
    if need.model is Delivery:
        return (
            inbox_url()
        )  # it counts what the first page counts; the list shows what was replaced since, too
    if need.pk is not None:
        return _page(need.model, need.pk)
    return f"{list_url(_label(need.model))}?{urlencode(need.query)}"


def _card(row: Standing, found: Overview, *, sees_deliveries: bool) -> ConnectionCard:
    of = {"connection__id__exact": row.connection.pk}
    deliveries = list_url(_label(Delivery))
    inbox = urlencode({"connection": row.connection.pk})
    failed = found.failures.at(row.connection.pk)
    return ConnectionCard(
        standing=row, provider=get_provider(row.connection.provider).label, url=_page(Connection, row.connection.pk),
        waiting=counted(row.waiting) if sees_deliveries else "",
        waiting_url=f"{deliveries}?{urlencode({'state__exact': 'waiting', **of})}",
        failed=counted(failed) if sees_deliveries else "",
        failed_url=f"{inbox_url()}?{inbox}", has_failed=failed > 0,
    )  # fmt: skip


def _step_rows(request: HttpRequest, steps: tuple[Step, ...]) -> Iterator[StepRow]:
    following = next((step for step in steps if not step.is_done), None)
    for step in steps:
        permission, url = _step_place(step)
        state = "done" if step.is_done else "next" if step is following else "later"
        yield StepRow(step=step, state=state, url=url if request.user.has_perm(permission) else "")


def _step_place(step: Step) -> tuple[str, str]:
    """Return which permission taking a step needs, and where it is taken."""
    match step.name:
        case "rule":
            return "integrations.add_rule", _add(Rule)
        case "backfill" if step.connection_id:
            return "integrations.add_backfillrun", _add(BackfillRun)
        case "connect" | "subscribe" | "backfill" if step.connection_id:
            return "integrations.change_connection", _page(Connection, step.connection_id)
        case _:
            return "integrations.add_connection", _add(Connection)


def _label(model: type[Model]) -> str:
    return model._meta.label_lower  # noqa: SLF001  # Django's documented API


def _page(model: type[Model], pk: int) -> str:
    return reverse(f"admin:{_label(model).replace('.', '_')}_change", args=[pk])


def _add(model: type[Model]) -> str:
    return reverse(f"admin:{_label(model).replace('.', '_')}_add")
