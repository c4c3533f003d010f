import pytest

from bookings.discretion import HIDDEN, Discretion

CLEAR, DISCREET = Discretion(is_clear=True), Discretion(is_clear=False)


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("Maria del Mar Lopez", "M. d. M. L."),
        ("  Maria ", "M."),
        ("maria@example.com", "m***@example.com"),
        ("", ""),
    ],
)
def test_a_name_is_its_initials_for_who_may_not_see_people(name, initials):
    assert DISCREET.name(name) == initials
    assert CLEAR.name(name) == name


def test_an_address_cannot_be_written_to_by_who_may_not_see_people():
    assert DISCREET.email("maria@example.com") == "m***@example.com"
    assert CLEAR.email("maria@example.com") == "maria@example.com"


def test_what_somebody_wrote_is_hidden_and_nothing_stays_nothing():
    assert (DISCREET.text("Call me at home"), DISCREET.text("")) == (HIDDEN, "")
    assert CLEAR.text("Call me at home") == "Call me at home"


@pytest.mark.django_db
def test_the_permission_decides(django_user_model):
    user = django_user_model.objects.create_user("pat")
    boss = django_user_model.objects.create_superuser("boss")

    assert not Discretion.of(user).is_clear
    assert Discretion.of(boss).is_clear
