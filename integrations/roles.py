"""Who may what: three groups, from looking to administering. docs/permissions.md has the table in words.

The groups are made once, by a migration. After that they are the site's own: what is changed by hand stays, but for
permissions that a later version brings, which are given to the roles that have them here.
"""

from collections.abc import Iterable, Iterator, Mapping

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db.models import Q

VIEWER, OPERATOR, ADMINISTRATOR = "Viewer", "Operator", "Administrator"

_VIEWER = frozenset({
    "bookings.view_booking", "bookings.view_eventtype", "bookings.view_group", "bookings.view_host", "bookings.view_invitee",
    "bookings.view_organizationmembership", "bookings.view_routingform", "bookings.view_routingsubmission",
    "bookings.view_personal_data", "bookings.export_booking",
    "integrations.view_connection", "integrations.view_delivery", "integrations.view_rule",
})  # fmt: skip
_OPERATOR = _VIEWER | {
    "admin.view_logentry",
    "bookings.cancel_booking", "bookings.change_booking", "bookings.view_refetchrequest",
    "integrations.add_backfillrun", "integrations.change_backfillrun", "integrations.view_backfillrun",
    "integrations.change_delivery", "integrations.view_deliveryattempt", "integrations.view_bulkoperation",
    "integrations.change_driftfinding", "integrations.view_driftfinding", "integrations.view_driftrun",
    "integrations.change_inboundwebhook", "integrations.view_inboundwebhook",
    "integrations.change_matchreview", "integrations.view_matchreview",
    "integrations.change_notification", "integrations.view_notification", "integrations.view_notificationchannel",
    "integrations.operate_connection", "integrations.operate_rule",
    "integrations.view_emailtemplate", "integrations.view_interaction", "integrations.view_webhooksubscription",
}  # fmt: skip
#: An administrator has every permission of these models; of whole apps, also what is added to them later.
_ADMINISTERED_APPS = ("bookings", "integrations")
_ADMINISTERED_MODELS = (("auth", "user"), ("auth", "group"))

#: What each role is given by name; each has what the one before it has.
ROLES: Mapping[str, frozenset[str]] = {
    VIEWER: _VIEWER,
    OPERATOR: _OPERATOR,
    ADMINISTRATOR: _OPERATOR,
}


def make_groups() -> list[str]:
    """Make the groups that are missing, with what the table gives them, and return their names.

    A group that is there already is the site's own and is left as it is.
    """
    ensure_permissions()
    made = []
    for role in ROLES:
        group, is_new = Group.objects.get_or_create(name=role)
        if is_new:
            group.permissions.set(permissions_of(role))
            made.append(role)
    return made


def ensure_permissions() -> None:
    """Make the permissions that the table names: Django makes them only after all migrations."""
    for label in ("admin", "auth", *_ADMINISTERED_APPS):
        create_permissions(apps.get_app_config(label), verbosity=0)


def permissions_of(role: str) -> list[Permission]:
    """Return what the table gives to a role."""
    wanted = _named(ROLES[role])
    if role == ADMINISTRATOR:
        wanted |= Q(content_type__app_label__in=_ADMINISTERED_APPS)
        for app, model in _ADMINISTERED_MODELS:
            wanted |= Q(content_type__app_label=app, content_type__model=model)
    return list(Permission.objects.filter(wanted).select_related("content_type"))


def grant_new(names: Iterable[str]) -> list[tuple[str, str]]:
    """Give permissions that have just come into being to the groups whose role has them; return who was given what."""
    new, granted = set(names), []
    for group in Group.objects.filter(name__in=ROLES) if new else ():
        held = set(group.permissions.values_list("pk", flat=True))
        offered = [item for item in permissions_of(group.name) if item.pk not in held]
        found = [item for item in offered if name_of(item) in new]
        group.permissions.add(*found)
        granted += [(group.name, name_of(item)) for item in found]
    return granted


def differences() -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield for each role what its group lacks of the table, and what it has beyond it."""
    for role in ROLES:
        wanted = {name_of(item) for item in permissions_of(role)}
        held = Permission.objects.filter(group__name=role).select_related("content_type")
        has = {name_of(item) for item in held}
        yield role, sorted(wanted - has), sorted(has - wanted)


def put_back() -> None:
    """Give every role's group exactly what the table says; a missing group is made."""
    for role in ROLES:
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set(permissions_of(role))


def known_permissions() -> set[str]:
    """Return the names of all permissions that there are."""
    return {name_of(item) for item in Permission.objects.select_related("content_type")}


def name_of(permission: Permission) -> str:
    """Return a permission's name as code asks for it: `integrations.view_delivery`."""
    return f"{permission.content_type.app_label}.{permission.codename}"


def _named(names: Iterable[str]) -> Q:
    found = Q(pk__in=[])
    for name in names:
        app, codename = name.split(".")
        found |= Q(content_type__app_label=app, codename=codename)
    return found
