"""The sidebar and the numbers of the first page, by settings: `UNFOLD["SIDEBAR"]["navigation"]`, `DASHBOARD_CALLBACK`."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import OuterRef, Q, Subquery
from django.http import HttpRequest
from django.urls import reverse

from integrations import failures, reviews
from integrations.models import (
    BackfillRun,
    Connection,
    Delivery,
    InboundWebhook,
    Notification,
    WebhookSubscription,
)
from integrations.outbox import unseen_failures

_INBOX = "admin:integrations_delivery_inbox"
_GROUPS = (
    ("Calendar", (
        ("Bookings", "event", "bookings.booking"),
        ("Invitees", "person", "bookings.invitee"),
        ("Hosts", "badge", "bookings.host"),
        ("Event types", "category", "bookings.eventtype"),
        ("Members", "id_card", "bookings.organizationmembership"),
        ("Groups of hosts", "diversity_3", "bookings.group"),
        ("Routing forms", "alt_route", "bookings.routingform"),
        ("Form submissions", "fact_check", "bookings.routingsubmission"),
    )),
    ("Traffic", (
        ("Error inbox", "error", "integrations.delivery", _INBOX),
        ("Webhooks in", "login", "integrations.inboundwebhook"),
        ("Deliveries out", "logout", "integrations.delivery"),
        ("Bulk operations", "playlist_play", "integrations.bulkoperation"),
        ("Match reviews", "person_search", "integrations.matchreview"),
        ("Buttons pressed", "touch_app", "integrations.interaction"),
        ("Backfills", "history", "integrations.backfillrun"),
        ("Differences", "difference", "integrations.driftfinding"),
        ("To be asked again", "hourglass_top", "bookings.refetchrequest"),
        ("Notifications", "notifications", "integrations.notification"),
    )),
    ("Setup", (
        ("Connections", "hub", "integrations.connection"),
        ("Rules", "rule", "integrations.rule"),
        ("E-mail templates", "mail", "integrations.emailtemplate"),
        ("Webhook subscriptions", "webhook", "integrations.webhooksubscription"),
        ("Notification channels", "campaign", "integrations.notificationchannel"),
    )),
    ("People", (
        ("Users", "group", "auth.user"),
        ("Groups", "groups", "auth.group"),
        ("Erase a person", "person_remove", "integrations.erasurerequest"),
    )),
)  # fmt: skip


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar's groups, with only what this person may see."""
    groups = []
    for title, entries in _GROUPS:
        items = [_item(entry, request.path) for entry in entries if _may_see(request, entry[2])]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the first page what needs a person, linked to the rows behind each number."""
    counts = [count for model, make in _COUNTS if _may_see(request, model) for count in make()]
    return {**context, "counts": counts}


def _item(entry: tuple[str, ...], path: str) -> dict[str, Any]:
    """Return an entry: of a model's list, or of a page of its own where the entry names one."""
    title, icon, model, *page = entry
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse(page[0]) if page else _list_url(model)}  # fmt: skip
    if not page and path.startswith(reverse(_INBOX)):
        item["active"] = (
            False  # the inbox stands below the list of deliveries, whose entry would look chosen
        )
    count = _BADGES.get(title)
    said = count() if count else ""
    return {**item, "badge": said, "badge_variant": "info"} if said else item


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
    failed = unseen_failures().count()
    waiting = Delivery.objects.filter(state__in=Delivery.UNSETTLED).count()
    return [
        _count("Failed deliveries", failed, "integrations.delivery", "failed=unseen", "danger"),
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


def _subscriptions() -> list[dict[str, Any]]:
    """Count the subscriptions in trouble; as long as there are none, nothing is said."""
    in_use = WebhookSubscription.objects.filter(retired_at=None)
    active = Q(state=WebhookSubscription.State.ACTIVE, retry_started_at=None, problem="")
    troubled = in_use.exclude(active).count()
    shown = _count("Subscriptions in trouble", troubled, "integrations.webhooksubscription", "", "danger")  # fmt: skip
    return [shown] if troubled else []


def _reviews() -> list[dict[str, Any]]:
    """Count the people whom only staff can tell apart; as long as there are none, nothing is said."""
    number, model = reviews.open_count(), "integrations.matchreview"
    shown = _count("Match reviews to answer", number, model, "state__exact=open", "warning")
    return [shown] if number else []


def _notifications() -> list[dict[str, Any]]:
    """Count what staff could not be told; as long as there is nothing, nothing is said."""
    number = Notification.objects.filter(state=Notification.State.FAILED).count()
    shown = _count("Failed notifications", number, "integrations.notification", "state__exact=failed", "danger")  # fmt: skip
    return [shown] if number else []


def _backfills() -> list[dict[str, Any]]:
    """Tell of a backfill that goes on, and of connections whose last nightly one read not everything."""
    state, model = BackfillRun.State, "integrations.backfillrun"
    running = _unfinished_backfills()
    last = Subquery(
        BackfillRun.objects.filter(
            connection=OuterRef("pk"), trigger=BackfillRun.Trigger.NIGHTLY
        ).exclude(state__in=BackfillRun.UNFINISHED).order_by("-id").values("state")[:1]
    )  # fmt: skip
    bad = Connection.objects.annotate(last=last).filter(last__in=[state.PARTIAL, state.FAILED])
    shown = [
        _count("Backfills running", running, model, "", "info"),
        _count("Nightly backfills in trouble", bad.count(), model, "trigger__exact=nightly", "warning"),
    ]  # fmt: skip
    return [count for count in shown if count["number"]]


def _unfinished_backfills() -> int:
    return BackfillRun.objects.filter(state__in=BackfillRun.UNFINISHED).count()


def _counted(number: int) -> str:
    return str(number) if number else ""


def _open_failures() -> str:
    number = failures.open_count(cap=_MOST_COUNTED)
    return f"{number:,}+" if number >= _MOST_COUNTED else _counted(number)


#: The badge beside failures counts no further.
_MOST_COUNTED = 1_000
#: What the sidebar counts beside an entry, on every page: only what an index answers at once.
_BADGES: Mapping[str, Callable[[], str]] = {
    "Error inbox": _open_failures,
    "Backfills": lambda: _counted(_unfinished_backfills()),
    "Match reviews": lambda: _counted(reviews.open_count()),
}

_COUNTS: tuple[tuple[str, Callable[[], list[dict[str, Any]]]], ...] = (
    ("integrations.delivery", _deliveries),
    ("integrations.matchreview", _reviews),
    ("integrations.inboundwebhook", _webhooks),
    ("integrations.connection", _connections),
    ("integrations.webhooksubscription", _subscriptions),
    ("integrations.backfillrun", _backfills),
    ("integrations.notification", _notifications),
)
