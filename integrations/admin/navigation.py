"""The sidebar and the numbers of the first page, by settings: `UNFOLD["SIDEBAR"]["navigation"]`, `DASHBOARD_CALLBACK`."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from integrations.destinations import latest_deliveries
from integrations.models import Connection, Delivery, InboundWebhook

_GROUPS = (
    ("Calendar", (
        ("Bookings", "event", "bookings.booking"),
        ("Invitees", "person", "bookings.invitee"),
        ("Hosts", "badge", "bookings.host"),
        ("Event types", "category", "bookings.eventtype"),
        ("Routing forms", "alt_route", "bookings.routingsubmission"),
    )),
    ("Traffic", (
        ("Webhooks in", "login", "integrations.inboundwebhook"),
        ("Deliveries out", "logout", "integrations.delivery"),
        ("To be asked again", "hourglass_top", "bookings.refetchrequest"),
    )),
    ("Setup", (
        ("Connections", "hub", "integrations.connection"),
        ("Rules", "rule", "integrations.rule"),
        ("Webhook subscriptions", "webhook", "integrations.webhooksubscription"),
    )),
    ("People", (
        ("Users", "group", "auth.user"),
        ("Groups", "groups", "auth.group"),
    )),
)  # fmt: skip


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar's groups, with only what this person may see."""
    groups = []
    for title, entries in _GROUPS:
        items = [_item(entry) for entry in entries if _may_see(request, entry[2])]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the first page what needs a person, linked to the rows behind each number."""
    counts = [count for model, make in _COUNTS if _may_see(request, model) for count in make()]
    return {**context, "counts": counts}


def _item(entry: tuple[str, str, str]) -> dict[str, Any]:
    title, icon, model = entry
    return {"title": title, "icon": icon, "link": _list_url(model)}


def _list_url(model: str) -> str:
    return reverse(f"admin:{model.replace('.', '_')}_changelist")


def _may_see(request: HttpRequest, model: str) -> bool:
    app, name = model.split(".")
    return any(request.user.has_perm(f"{app}.{verb}_{name}") for verb in ("view", "change"))


def _count(label: str, number: int, model: str, query: str, tone: str) -> dict[str, Any]:
    return {
        "label": label,
        "number": number,
        "url": f"{_list_url(model)}?{query}",
        "tone": tone if number else "success",
    }


def _deliveries() -> list[dict[str, Any]]:
    failed = latest_deliveries().filter(state=Delivery.State.FAILED).count()
    waiting = Delivery.objects.filter(state__in=Delivery.UNSETTLED).count()
    return [
        _count(
            "Failed deliveries", failed, "integrations.delivery", "state__exact=failed", "danger"
        ),
        _count(
            "Waiting deliveries", waiting, "integrations.delivery", "state__exact=waiting", "info"
        ),
    ]


def _webhooks() -> list[dict[str, Any]]:
    failed = InboundWebhook.objects.filter(state=InboundWebhook.State.FAILED).count()
    return [
        _count(
            "Failed webhooks",
            failed,
            "integrations.inboundwebhook",
            "state__exact=failed",
            "danger",
        )
    ]


def _connections() -> list[dict[str, Any]]:
    troubled = Connection.objects.exclude(state=Connection.State.HEALTHY).count()
    query = "state__exact=paused"
    return [_count("Connections in trouble", troubled, "integrations.connection", query, "warning")]


_COUNTS: tuple[tuple[str, Callable[[], list[dict[str, Any]]]], ...] = (
    ("integrations.delivery", _deliveries),
    ("integrations.inboundwebhook", _webhooks),
    ("integrations.connection", _connections),
)
