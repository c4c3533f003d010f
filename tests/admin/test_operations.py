import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from bookings.models import RefetchRequest
from integrations.models import (
    Connection,
    Delivery,
    InboundWebhook,
    NotificationChannel,
    Rule,
)
from integrations.sandbox import SandboxServer
from tests.factories import (
    NOW,
    BookingFactory,
    ConnectionFactory,
    DeliveryFactory,
    HostFactory,
    InboundWebhookFactory,
    NotificationChannelFactory,
    RuleFactory,
    StaffUserFactory,
)

pytestmark = pytest.mark.django_db


def _failed() -> Delivery:
    return DeliveryFactory.create(failed=True)


def _webhook() -> InboundWebhook:
    return InboundWebhookFactory.create()


def _connection() -> Connection:
    return ConnectionFactory.create()


def _paused_rule() -> Rule:
    return RuleFactory.create(paused_at=NOW, paused_reason="The channel is gone.")


def _channel() -> NotificationChannel:
    return NotificationChannelFactory.create()


OPERATIONS = [
    (_failed, "integrations_delivery", "retry"),
    (_webhook, "integrations_inboundwebhook", "process_again"),
    (_connection, "integrations_connection", "pause"),
    (_connection, "integrations_connection", "resume"),
    (_connection, "integrations_connection", "test"),
]


def _url(model: str, row, name: str) -> str:
    return reverse(f"admin:{model}_operate", args=[row.pk, name])


def _select(client: Client, model: str, row, name: str):
    url = reverse(f"admin:{model}_changelist")
    return client.post(url, {"action": name, "_selected_action": [row.pk]})


@pytest.mark.parametrize(("make", "model", "name"), OPERATIONS)
def test_who_may_only_look_is_refused(viewer, make, model, name):
    row = make()

    assert viewer.post(_url(model, row, name)).status_code == 403
    assert _select(viewer, model, row, name).status_code == 403
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize(("make", "model", "name"), OPERATIONS)
def test_who_is_not_signed_in_is_sent_to_sign_in(client, make, model, name):
    response = client.post(_url(model, make(), name))

    assert response.status_code == 302
    assert response.url.startswith(reverse("admin:login"))


@pytest.mark.parametrize(("make", "model", "name"), OPERATIONS)
def test_an_operation_is_never_a_link(operator, make, model, name):
    assert operator.get(_url(model, make(), name)).status_code == 405


@pytest.mark.parametrize(("make", "model", "name"), OPERATIONS)
def test_a_forged_request_is_refused(make, model, name):
    client = Client(enforce_csrf_checks=True)
    client.force_login(StaffUserFactory.create(is_superuser=True))

    assert client.post(_url(model, make(), name)).status_code == 403


@pytest.mark.parametrize(("make", "model", "name"), OPERATIONS)
def test_buttons_are_shown_only_to_who_may_press_them(viewer, operator, make, model, name):
    row = make()
    if name == "resume":
        Connection.objects.update(state="paused")
    page = reverse(f"admin:{model}_change", args=[row.pk])

    assert _url(model, row, name) in operator.get(page).content.decode()
    assert _url(model, row, name) not in viewer.get(page).content.decode()


def test_an_unknown_operation_or_row_is_not_found(operator):
    delivery = _failed()

    assert operator.post(_url("integrations_delivery", delivery, "log")).status_code == 404
    delivery.pk += 1
    assert operator.post(_url("integrations_delivery", delivery, "retry")).status_code == 404


def test_retry_makes_a_failed_delivery_wait_and_is_logged(operator):
    delivery = _failed()

    operator.post(_url("integrations_delivery", delivery, "retry"))

    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.WAITING
    assert LogEntry.objects.get().get_change_message() == "Retried."


def test_retry_leads_back_to_the_page_it_was_pressed_on(operator):
    delivery = _failed()
    page = reverse("admin:bookings_booking_change", args=[delivery.event.booking_id])

    response = operator.post(_url("integrations_delivery", delivery, "retry"), {"next": page})

    assert response.url == page


def test_retry_does_not_lead_to_another_site(operator):
    delivery = _failed()

    response = operator.post(
        _url("integrations_delivery", delivery, "retry"), {"next": "https://evil.example.com/"}
    )

    assert response.url == reverse("admin:integrations_delivery_change", args=[delivery.pk])


def test_retry_of_many_leaves_what_was_delivered_alone(operator):
    failed, delivered = _failed(), DeliveryFactory.create(delivered=True)
    url = reverse("admin:integrations_delivery_changelist")

    operator.post(url, {"action": "retry", "_selected_action": [failed.pk, delivered.pk]})

    states = dict(Delivery.objects.values_list("pk", "state"))
    assert states == {failed.pk: "waiting", delivered.pk: "delivered"}


def test_processing_again_makes_a_webhook_received(operator):
    webhook = _webhook()

    _select(operator, "integrations_inboundwebhook", webhook, "process_again")

    webhook.refresh_from_db()
    assert webhook.state == InboundWebhook.State.RECEIVED


def test_pausing_and_resuming_change_the_connection(operator):
    connection = _connection()

    operator.post(_url("integrations_connection", connection, "pause"))
    connection.refresh_from_db()
    paused = connection.state, connection.state_reason
    operator.post(_url("integrations_connection", connection, "resume"))
    connection.refresh_from_db()

    assert paused[0] == Connection.State.PAUSED
    assert paused[1].startswith("Paused by staff")
    assert connection.state == Connection.State.HEALTHY


@pytest.mark.parametrize(
    ("secret", "said"),
    [("right", "Signed in as Calsync."), ("wrong", "The key was refused. Enter it again.")],
)
def test_testing_a_connection_says_what_the_provider_answered(
    operator, fake_provider, secret, said
):
    connection = ConnectionFactory.create(provider=fake_provider, secrets={"api_key": secret})

    page = operator.post(_url("integrations_connection", connection, "test"), follow=True)

    assert said in page.content.decode()


@pytest.mark.parametrize(
    ("token", "said"),
    [("sandbox-calendly-pat", "Connected as Olivia Owens"), ("wrong", "is missing")],
)
def test_testing_calendly_says_whose_token_it_is(operator, settings, token, said):
    connection = ConnectionFactory.create(provider="calendly", secrets={"access_token": token})
    with SandboxServer() as server:
        settings.CALENDLY_API_URL = f"{server.url}/calendly"

        page = operator.post(_url("integrations_connection", connection, "test"), follow=True)

    assert said in page.content.decode()


def test_reading_a_booking_again_notes_that_calendly_is_to_be_asked(operator):
    booking = BookingFactory.create(account="calendly:7")

    operator.post(_url("bookings_booking", booking, "read_again"))

    request = RefetchRequest.objects.get()
    assert (request.object_uri, request.reason, request.account) == (
        booking.uri,
        "operator",
        "calendly:7",
    )


#: What takes a permission of its own, with everything else that one might think is enough.
OWN_PERMISSIONS = [
    (_connection, "integrations_connection", "pause", "integrations.operate_connection"),
    (_connection, "integrations_connection", "test", "integrations.operate_connection"),
    (_paused_rule, "integrations_rule", "resume", "integrations.operate_rule"),
    (_channel, "integrations_notificationchannel", "test", "integrations.change_notification"),
    (BookingFactory.create, "bookings_booking", "read_again", "bookings.change_booking"),
    (HostFactory.create, "bookings_host", "read_again", "bookings.change_booking"),
    (_connection, "integrations_connection", "disconnect", "integrations.change_connection"),
    (_connection, "integrations_connection", "subscribe", "integrations.change_connection"),
]


def _staff(*codenames: str) -> Client:
    client = Client()
    user = StaffUserFactory.create()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


@pytest.mark.parametrize(("make", "model", "name", "permission"), OWN_PERMISSIONS)
def test_an_operation_takes_its_own_permission_and_no_other(make, model, name, permission):
    row, codename = make(), permission.partition(".")[2]
    others = Permission.objects.exclude(codename=codename).values_list("codename", flat=True)
    without, with_it = _staff(*others), _staff(codename)

    assert without.post(_url(model, row, name)).status_code == 403
    assert _select(without, model, row, name).status_code == 403
    assert not LogEntry.objects.exists()
    assert with_it.post(_url(model, row, name)).status_code in {200, 302}


def test_a_list_offers_only_the_operations_that_one_may_start():
    _connection()
    client = _staff("view_connection", "operate_connection")

    html = client.get(reverse("admin:integrations_connection_changelist")).content.decode()

    assert 'value="pause"' in html
    assert 'value="disconnect"' not in html
