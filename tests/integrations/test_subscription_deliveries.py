"""Deliveries of the sandbox to a running Calsync: while keys rotate, after a replacement, and the self-test."""

import ssl
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import timezone

from bookings.models import BookingEvent
from integrations import inbox
from integrations.models import Connection, InboundWebhook, SignatureTally
from integrations.sandbox import SandboxServer
from integrations.subscriptions import ensure, rotate, self_test, unsubscribe, watch
from tests.factories import ConnectionFactory, RuleFactory
from tests.integrations.subscribing import There, connect, connect_by_oauth, later, meetings

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server():
    """A sandbox of this module's own: it keeps connections to the live server open."""
    with SandboxServer() as running:
        yield running


@pytest.fixture
def sandbox(server, settings, live_server):
    server.reset()
    settings.CALENDLY_API_URL = f"{server.url}/calendly"
    settings.CALENDLY_AUTH_URL = f"{server.url}/calendly-auth"
    settings.CALENDLY_CLIENT_ID, settings.CALENDLY_CLIENT_SECRET = "sandbox-client", "sandbox-secret"  # fmt: skip
    settings.CALENDLY_WEBHOOK_SIGNING_KEY = "sandbox-app-signing-key"
    settings.CALSYNC_PUBLIC_URL = live_server.url
    return server.control


@pytest.fixture
def connection(sandbox):
    made = connect(sandbox)
    ensure(made, now=timezone.now())
    return made


def book(sandbox, number):
    return sandbox.book(name=f"Person {number}", email=f"person{number}@example.com")


def settle(sandbox):
    assert sandbox.wait_idle(timeout=20)
    inbox.drain(until=later(hours=1), clock=timezone.now)


def booked():
    return sorted(
        BookingEvent.objects.filter(kind="booked").values_list("invitee__email", flat=True)
    )


def people(count):
    return sorted(f"person{number}@example.com" for number in range(count))


def test_nothing_is_lost_or_told_twice_while_keys_rotate(connection, sandbox):
    target = ConnectionFactory.create(provider="slack")
    RuleFactory.create(connection=target, action="post_card", kinds=["booked"])
    stop, at_the_desk, count = threading.Event(), threading.Lock(), 0

    def go_on_booking():
        nonlocal count
        while not stop.wait(0.02):
            with at_the_desk:
                book(sandbox, count)
                count += 1

    customers = threading.Thread(target=go_on_booking)
    customers.start()
    try:
        for _ in range(3):
            rotate(connection, now=timezone.now())
            stop.wait(0.2)
            with at_the_desk:  # stands for the minute in which what is under way arrives
                assert sandbox.wait_idle(timeout=20)
            watch(connection, now=later())
    finally:
        stop.set()
        customers.join()
    settle(sandbox)

    assert count > 5
    assert booked() == people(count)
    assert target.deliveries.count() == count
    assert not SignatureTally.objects.exists()
    assert len(meetings(connection)) == 4


def test_a_late_retry_to_a_retired_url_is_taken(connection, sandbox):
    (old,) = meetings(connection)
    rotate(connection, now=timezone.now())
    sandbox.add_fault("webhooks", "delay", seconds=0.5, match={"path_contains": str(old.token)})
    book(sandbox, 0)
    watch(connection, now=timezone.now())

    settle(sandbox)

    assert InboundWebhook.objects.filter(subscription=old).count() == 1
    assert booked() == people(1)


def test_old_and_new_urls_are_both_taken_after_a_replacement(connection, sandbox, live_server):
    (old,) = meetings(connection)
    book(sandbox, 0)
    sandbox.wait_idle()
    sandbox.disable_subscriptions()
    watch(connection, now=later())
    new = meetings(connection)[-1]
    book(sandbox, 1)
    probes = [self_test(row, now=timezone.now())[-1] for row in (old, new)]

    settle(sandbox)

    assert booked() == people(2)
    assert all(probe.ok for probe in probes)
    assert new.inbound_webhooks.filter(kind="invitee.created").count() == 1


def test_deliveries_of_an_app_are_taken_before_and_after_its_key_changes(sandbox, settings):
    connection = connect_by_oauth(sandbox)
    ensure(connection, now=timezone.now())
    book(sandbox, 0)
    sandbox.wait_idle()
    settings.CALENDLY_WEBHOOK_SIGNING_KEY = "the-new-key"
    rotate(connection, now=timezone.now())
    book(sandbox, 1)

    settle(sandbox)

    assert booked() == people(2)
    assert set(InboundWebhook.objects.values_list("verified_by", flat=True)) == {"current", "previous"}  # fmt: skip


def test_an_account_that_is_connected_by_oauth_later_gets_subscriptions_of_the_app(connection, sandbox):  # fmt: skip
    (own,) = meetings(connection)
    granted = connect_by_oauth(sandbox)
    held = {"sealed_secrets": granted.sealed_secrets, "token_expires_at": later(hours=2)}
    Connection.objects.filter(pk=connection.pk).update(**held)
    connection.refresh_from_db()
    book(sandbox, 0)
    sandbox.wait_idle()

    ensure(connection, now=timezone.now())
    book(sandbox, 1)
    sandbox.wait_idle()
    again = ensure(connection, now=timezone.now())
    watch(connection, now=later())
    book(sandbox, 2)
    settle(sandbox)

    own.refresh_from_db()
    assert own.retired_at
    assert {item.outcome for item in again} == {"kept as it is"}
    assert meetings(connection)[-1].signing_keys == {"current": "sandbox-app-signing-key"}
    assert booked() == people(3)
    assert not SignatureTally.objects.exists()
    assert len(There(sandbox).all()) == 3


# --- strays ---

UNKNOWN = "/webhooks/calendly/7b0f8ec2-1c5e-4c53-9d35-1f0f2f3c5b11"


def test_a_stray_that_nobody_would_take_goes(connection, sandbox, live_server):
    there = There(sandbox)
    there.subscribe(live_server.url + UNKNOWN)

    watched = watch(connection, now=timezone.now())

    assert watched.strays == 1
    assert live_server.url + UNKNOWN not in there.urls()
    assert len(there.all()) == 3


@pytest.mark.parametrize("status", [200, 404, 502])
def test_what_another_installation_may_have_made_at_the_same_url_stays(connection, settings, sandbox, status):  # fmt: skip
    there = There(sandbox)
    with _Proxy(status) as url:
        settings.CALSYNC_PUBLIC_URL = url
        ensure(connection, now=timezone.now())
        there.subscribe(url + UNKNOWN)
        watched = watch(connection, now=timezone.now())
        unsubscribe(connection, now=timezone.now())

    assert watched.strays == 0
    assert url + UNKNOWN in there.urls()


# --- the self-test ---


def test_the_self_test_of_a_healthy_subscription_is_well(connection, sandbox):
    book(sandbox, 0)
    settle(sandbox)
    (row,) = meetings(connection)

    state, sample, probe = self_test(row, now=timezone.now())
    settle(sandbox)

    assert (state.ok, sample.ok, probe.ok) == (True, True, True)
    assert state.detail.startswith("Active at Calendly: invitee.created")
    assert "Person 0" in sample.detail
    stored = InboundWebhook.objects.get(kind="calsync.probe")
    assert f"#{stored.pk}" in probe.detail
    assert stored.state == InboundWebhook.State.IGNORED
    assert "probe of Calsync's own" in stored.outcome
    assert booked() == people(1)


def test_the_self_test_says_what_calendly_says(connection, sandbox):
    sandbox.disable_subscriptions()
    (row,) = meetings(connection)

    state, _, probe = self_test(row, now=timezone.now())

    assert (state.ok, probe.ok) == (False, True)
    assert "has disabled it" in state.detail


def test_the_self_test_goes_on_where_calendly_does_not_answer(connection, sandbox):
    sandbox.add_fault("calendly", "error", status=503, times=2)
    (row,) = meetings(connection)

    checks = self_test(row, now=timezone.now())

    assert [check.ok for check in checks] == [False, False, True]
    assert all(check.hint for check in checks[:2])


def test_a_key_that_does_not_fit_is_told(connection, sandbox, live_server):
    (row,) = meetings(connection)
    row.set_signing_keys(current="another")

    probe = self_test(row, now=timezone.now())[-1]

    assert not probe.ok
    assert "rotate the signing key" in probe.hint


@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [
        (301, "a redirect to https://www.calsync.example/", "disables the subscription"),
        (308, "a redirect to", "CALSYNC_PUBLIC_URL"),
        (404, "Answered 404", "Another site"),
        (403, "Answered 403", "firewall"),
        (502, "Answered 502", "/readyz"),
        (200, "nothing was stored here", "Another installation"),
    ],
)
def test_what_stands_in_the_way_of_a_probe_is_explained(connection, settings, status, said, hint):
    (row,) = meetings(connection)
    with _Proxy(status) as url:
        settings.CALSYNC_PUBLIC_URL = url
        probe = self_test(row, now=timezone.now())[-1]

    assert not probe.ok
    assert said in probe.detail
    assert hint in probe.hint
    assert not InboundWebhook.objects.exists()


@pytest.mark.parametrize(
    ("url", "said", "hint"),
    [
        ("http://127.0.0.1:1", "connection refused", "Start the web process"),
        ("http://calsync.example", "not an address this installation may call", "https:// address"),
    ],
)
def test_a_public_url_that_cannot_be_reached_is_told(connection, settings, url, said, hint):
    (row,) = meetings(connection)
    settings.CALSYNC_PUBLIC_URL = url

    probe = self_test(row, now=timezone.now())[-1]

    assert not probe.ok
    assert said in probe.detail
    assert hint in probe.hint
    assert "CALSYNC_PUBLIC_URL" in probe.hint


def test_a_certificate_that_no_provider_trusts_is_told(connection, settings, tmp_path):
    (row,) = meetings(connection)
    with _Proxy(200, certificate=self_signed(tmp_path)) as url:
        settings.CALSYNC_PUBLIC_URL = url.replace("http:", "https:")
        probe = self_test(row, now=timezone.now())[-1]

    assert not probe.ok
    assert "its TLS certificate is not trusted" in probe.detail
    assert "self-signed" in probe.hint


def self_signed(folder):
    """Write a certificate for 127.0.0.1 with its key, signed by itself; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(timezone.now() - timedelta(days=1))
        .not_valid_after(timezone.now() + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    parts = [
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
        made.public_bytes(serialization.Encoding.PEM),
    ]
    file = folder / "certificate.pem"
    file.write_bytes(b"".join(parts))
    return file


class _Proxy(HTTPServer):
    """Answer every POST with one status, as a proxy in front would."""

    def __init__(self, status, *, certificate=None):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "https://www.calsync.example/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{self.server_port}"

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()


def test_the_probe_is_no_delivery_of_calendlys(connection, sandbox):
    (row,) = meetings(connection)

    self_test(row, now=timezone.now())

    assert There(sandbox).all()
    assert sandbox.deliveries() == []
