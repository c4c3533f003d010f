"""Nobody gives rights that they do not have, to themselves or to anybody else."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from integrations import roles
from tests.factories import StaffUserFactory

pytestmark = pytest.mark.django_db

SUPERUSERS_ALONE = Permission.objects.filter(codename="add_session")


@pytest.fixture
def administrator() -> User:
    roles.put_back()
    user: User = StaffUserFactory.create(username="ada")
    user.groups.add(Group.objects.get(name=roles.ADMINISTRATOR))
    return user


@pytest.fixture
def client(administrator) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


def _page(row: User | Group) -> str:
    return reverse(f"admin:auth_{row._meta.model_name}_change", args=[row.pk])


def _save(client: Client, user: User, **given: object) -> None:
    form = {
        "username": user.username, "email": user.email, "is_active": "on", "is_staff": "on",
        "date_joined_0": "2026-11-20", "date_joined_1": "09:00:00", **given,
    }  # fmt: skip
    assert client.post(_page(user), form).status_code in {200, 302, 403}


def test_an_administrator_gives_any_of_the_three_roles(client):
    colleague = StaffUserFactory.create()
    asked = list(Group.objects.filter(name__in=roles.ROLES).values_list("pk", flat=True))

    _save(client, colleague, groups=asked)

    assert set(colleague.groups.values_list("name", flat=True)) == set(roles.ROLES)


def test_an_administrator_makes_no_superuser_and_gives_no_single_permission(client, administrator):
    _save(
        client,
        administrator,
        groups=[administrator.groups.get().pk],
        is_superuser="on",
        user_permissions=[SUPERUSERS_ALONE.get().pk],
    )

    administrator.refresh_from_db()
    assert not administrator.is_superuser
    assert not administrator.user_permissions.exists()
    assert administrator.groups.exists()


def test_an_administrator_gives_no_group_that_may_more_than_they(client, administrator):
    beyond = Group.objects.create(name="Beyond")
    beyond.permissions.set(SUPERUSERS_ALONE)

    _save(client, administrator, groups=[beyond.pk])

    assert not administrator.groups.filter(name="Beyond").exists()


@pytest.mark.parametrize("kind", ["superuser", "more"])
def test_who_may_more_is_changed_deleted_and_given_a_password_by_superusers_alone(client, kind):
    other = StaffUserFactory.create(is_superuser=kind == "superuser", is_active=False)
    if kind == "more":
        other.user_permissions.set(SUPERUSERS_ALONE)

    password = reverse("admin:auth_user_password_change", args=[other.pk])
    form = {"password1": "open sesame 9", "password2": "open sesame 9", "usable_password": "true"}
    answers = [
        client.post(_page(other), {"username": "taken"}),
        client.post(password, form),
        client.post(reverse("admin:auth_user_delete", args=[other.pk]), {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert client.get(_page(other)).status_code == 200


def test_a_group_gets_no_permission_that_its_giver_does_not_have(client):
    group = Group.objects.create(name="Some")
    beyond, within = SUPERUSERS_ALONE.get(), Permission.objects.get(codename="view_rule")

    client.post(_page(group), {"name": "Some", "permissions": [beyond.pk]})
    refused = list(group.permissions.all())
    client.post(_page(group), {"name": "Some", "permissions": [within.pk]})

    assert (refused, list(group.permissions.all())) == ([], [within])


def test_a_group_that_may_more_is_left_to_superusers(client):
    beyond = Group.objects.create(name="Beyond")
    beyond.permissions.set(SUPERUSERS_ALONE)

    assert client.post(_page(beyond), {"name": "Mine"}).status_code == 403
    assert (
        client.post(
            reverse("admin:auth_group_delete", args=[beyond.pk]), {"post": "yes"}
        ).status_code
        == 403
    )


def test_a_superuser_gives_everything(admin_client):
    colleague = StaffUserFactory.create()

    _save(admin_client, colleague, is_superuser="on", user_permissions=[SUPERUSERS_ALONE.get().pk])

    colleague.refresh_from_db()
    assert colleague.is_superuser
    assert colleague.user_permissions.exists()
