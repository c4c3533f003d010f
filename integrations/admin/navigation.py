"""The sidebar, by settings: `UNFOLD["SIDEBAR"]["navigation"]`."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from integrations import failures, reviews
from integrations.api.schema import SERVED
from integrations.models import BackfillRun

_INBOX = "admin:integrations_delivery_inbox"
#: Stands for a model where an entry leads to the page of the REST API.
_API = "api"
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
        ("API tokens", "key", "integrations.apitoken"),
        ("REST API", "api", _API),
    )),
    ("People", (
        ("Users", "group", "auth.user"),
        ("Groups", "groups", "auth.group"),
        ("Audit log", "fact_check", "admin.logentry"),
        ("Erase a person", "person_remove", "integrations.erasurerequest"),
    )),
)  # fmt: skip


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar's groups, with only what this person may see."""
    groups = []
    for title, entries in _GROUPS:
        items = [_item(entry, request.path) for entry in entries if may_see(request, entry[2])]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def _item(entry: tuple[str, ...], path: str) -> dict[str, Any]:
    """Return an entry: of a model's list, or of a page of its own where the entry names one."""
    title, icon, model, *page = entry
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse(page[0]) if page else list_url(model)}  # fmt: skip
    if not page and path.startswith(reverse(_INBOX)):
        item["active"] = (
            False  # the inbox stands below the list of deliveries, whose entry would look chosen
        )
    count = _BADGES.get(title)
    said = count() if count else ""
    return {**item, "badge": said, "badge_variant": "info"} if said else item


def list_url(model: str) -> str:
    """Return the address of a model's list; the model is named like `integrations.delivery`."""
    if model == _API:
        return reverse("api_docs")
    return reverse(f"admin:{model.replace('.', '_')}_changelist")


def may_see(request: HttpRequest, model: str) -> bool:
    """Tell whether this person may see a model's rows."""
    if model == _API:
        return any(may_see(request, served) for served in SERVED)
    app, name = model.split(".")
    return any(request.user.has_perm(f"{app}.{verb}_{name}") for verb in ("view", "change"))


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
