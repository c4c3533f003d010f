"""Who may open what: every address of the admin, for each of the three roles and for nobody."""

import pytest
from django.contrib.auth.models import AnonymousUser, User

from integrations import roles
from integrations.roles import ADMINISTRATOR, OPERATOR, VIEWER
from tests.admin.crawling import pages, staff_with, tell

pytestmark = pytest.mark.django_db

#: The least role that opens a model's list, pages and histories.
VIEWED_BY = {
    VIEWER: {
        "bookings_booking", "bookings_eventtype", "bookings_group", "bookings_host", "bookings_invitee",
        "bookings_organizationmembership", "bookings_routingform", "bookings_routingsubmission",
        "integrations_connection", "integrations_delivery", "integrations_rule",
    },
    OPERATOR: {
        "admin_logentry", "bookings_refetchrequest", "integrations_backfillrun", "integrations_bulkoperation", "integrations_driftfinding",
        "integrations_driftrun", "integrations_emailtemplate", "integrations_inboundwebhook", "integrations_interaction",
        "integrations_matchreview", "integrations_notification", "integrations_notificationchannel",
        "integrations_webhooksubscription",
    },
    ADMINISTRATOR: {"auth_group", "auth_user", "integrations_apitoken", "integrations_erasurerequest"},
}  # fmt: skip
#: The least role for every other address.
OPENED_BY = {
    **dict.fromkeys(("index", "app_list", "password_change", "password_change_done", "jsi18n", "search"), VIEWER),
    "integrations_backfillrun_add": OPERATOR,
    "integrations_backfillrun_progress": OPERATOR,
    "integrations_bulkoperation_progress": OPERATOR,
    "integrations_delivery_inbox": VIEWER,
    "integrations_delivery_cause": VIEWER,
    "integrations_inboundwebhook_body": OPERATOR,
    "integrations_emailtemplate_preview": OPERATOR,
    "integrations_matchreview_of": OPERATOR,
    "integrations_rule_try": ADMINISTRATOR,
    "auth_user_password_change": ADMINISTRATOR,
    **{f"integrations_rule_{page}": ADMINISTRATOR for page in ("recipes", "recipe", "export", "import")},
    **{
        f"{model}_add": ADMINISTRATOR
        for model in (
            "auth_group", "auth_user", "integrations_apitoken", "integrations_connection", "integrations_emailtemplate",
            "integrations_erasurerequest", "integrations_notificationchannel", "integrations_rule", "integrations_webhooksubscription",
        )
    },
    **{
        f"{model}_delete": ADMINISTRATOR
        for model in (
            "auth_group", "auth_user", "integrations_apitoken", "integrations_emailtemplate", "integrations_rule",
        )
    },
}  # fmt: skip
#: Open to everybody, or no page at all.
NO_PAGES = {"login", "logout", "view_on_site", "autocomplete"}
ORDER = (VIEWER, OPERATOR, ADMINISTRATOR)


def _least_role(name: str) -> str | None:
    """Return the least role that may open a route; None where nobody may, or it is not opened but pressed."""
    model, _, kind = name.rpartition("_")
    if kind in {"changelist", "change", "history"} and name not in OPENED_BY:
        return next(role for role, models in VIEWED_BY.items() if model in models)
    return OPENED_BY.get(name)


def _askers(name: str) -> dict[str, set[int]]:
    """Return the roles that tell where the line is drawn, each with what it may be answered."""
    least = _least_role(name)
    if least is None:
        return {ADMINISTRATOR: {403, 404, 405}}
    below = ORDER[: ORDER.index(least)][-1:]
    return {least: {200, 302}, **{role: {403} for role in below}}


@pytest.fixture
def people() -> dict[str, User]:
    return {role: staff_with(roles.permissions_of(role)) for role in ORDER}


def test_each_role_opens_what_the_table_says_the_role_below_does_not_and_nothing_fails(people):
    asked = [page for page in pages(tell()) if page.name not in NO_PAGES]

    wrong = [
        (page.url, role, status)
        for page in asked
        for role, expected in _askers(page.name).items()
        if (status := page.answer(people[role])) not in expected
    ]

    assert wrong == []
    assert len(asked) > 150


def test_a_role_may_do_all_that_the_one_below_may():
    held = [set(roles.permissions_of(role)) for role in ORDER]

    assert held[0] < held[1] < held[2]


def test_nobody_who_is_not_signed_in_opens_anything():
    asked = [page for page in pages(tell()) if page.name not in {"login", "logout", "jsi18n"}]

    opened = [page.url for page in asked if page.answer(AnonymousUser()) != 302]

    assert opened == []
