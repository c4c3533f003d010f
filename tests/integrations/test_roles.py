import io
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from integrations import roles
from integrations.models import Rule

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def groups() -> None:
    Group.objects.all().delete()
    roles.make_groups()


def _names(role: str) -> set[str]:
    return {roles.name_of(item) for item in Group.objects.get(name=role).permissions.all()}


def _told(*options: str) -> str:
    out = io.StringIO()
    call_command("roles", *options, stdout=out)
    return out.getvalue()


def _new_permission() -> Permission:
    kind = Permission.objects.get(codename="view_rule").content_type
    assert kind.model_class() is Rule
    return Permission.objects.create(
        codename="paint_rule", name="Can paint rules", content_type=kind
    )


@pytest.mark.parametrize("role", [roles.VIEWER, roles.OPERATOR])
def test_a_group_has_just_what_the_table_names(role):
    assert _names(role) == roles.ROLES[role]


def test_administrators_have_everything_of_both_apps_users_and_groups_and_no_more():
    known = roles.known_permissions()
    wanted = {name for name in known if name.startswith(("bookings.", "integrations."))}
    wanted |= {name for name in known if name.startswith("auth.") and name.endswith(("_user", "_group"))}  # fmt: skip

    assert _names(roles.ADMINISTRATOR) == wanted | {"admin.view_logentry"}


def test_groups_are_made_in_a_database_that_has_no_permissions_yet():
    Group.objects.all().delete()
    Permission.objects.all().delete()

    assert roles.make_groups() == list(roles.ROLES)
    assert _names(roles.OPERATOR) == roles.ROLES[roles.OPERATOR]


def test_made_again_groups_keep_what_the_site_changed():
    viewer = Group.objects.get(name=roles.VIEWER)
    viewer.permissions.clear()

    assert roles.make_groups() == []
    assert not viewer.permissions.exists()


def test_a_migration_gives_new_permissions_and_nothing_that_was_taken_away():
    config: Any = apps.get_app_config("integrations")
    viewer = Group.objects.get(name=roles.VIEWER)
    viewer.permissions.remove(Permission.objects.get(codename="view_personal_data"))
    out = io.StringIO()

    config._before()
    _new_permission()
    config._after(stdout=out)

    assert "integrations.paint_rule" in _names(roles.ADMINISTRATOR)
    assert "integrations.paint_rule" not in _names(roles.OPERATOR)
    assert "bookings.view_personal_data" not in _names(roles.VIEWER)
    assert out.getvalue() == (
        "  The group Administrator was given the new permission integrations.paint_rule."
    )


def test_the_command_says_how_groups_differ_and_puts_them_back_only_where_asked_to():
    viewer = Group.objects.get(name=roles.VIEWER)
    viewer.permissions.remove(Permission.objects.get(codename="view_rule"))
    viewer.permissions.add(_new_permission())

    told = _told()
    kept = _names(roles.VIEWER)
    _told("--put-back")

    assert "Viewer: lacks integrations.view_rule" in told
    assert "Viewer: has also integrations.paint_rule" in told
    assert "Operator: as it came." in told
    assert "integrations.paint_rule" in kept
    assert _names(roles.VIEWER) == roles.ROLES[roles.VIEWER]
