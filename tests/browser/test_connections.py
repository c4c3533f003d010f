from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread

import pytest
from django.db import connections
from django.utils import timezone
from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from bookings.models import Booking
from integrations import backfill, profiles
from integrations.models import BackfillProblem, BackfillRun, Connection
from integrations.sandbox import SandboxServer
from integrations.sandbox.control_client import SandboxControl
from tests.factories import (
    BackfillFindingFactory,
    BackfillRunFactory,
    InviteeFactory,
    RoutingSubmissionFactory,
    WebhookSubscriptionFactory,
)
from tests.granting import connect, point_to

#: Milliseconds for a backfill to come to its end.
LONG = 45_000

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def sandbox(settings, live_server) -> Iterator[SandboxControl]:
    """A Calendly that knows the address of this test's site."""
    with SandboxServer() as server, SandboxControl(server.url) as control:
        point_to(server, settings)
        settings.CALSYNC_PUBLIC_URL = live_server.url
        yield control


@pytest.fixture(autouse=True)
def _quiet(page: Page) -> Iterator[None]:
    """Fail when the browser's console shows an error; browsers ask for an icon that is not there."""
    said: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
            said.append(message.text)

    page.on("console", listen)
    yield
    assert said == []


@contextmanager
def working(connection: Connection) -> Iterator[None]:
    """Work on the connection's backfills meanwhile, as a worker does, until none is due."""

    def work() -> None:
        try:
            until = timezone.now() + timedelta(seconds=60)
            backfill.drain(connection.pk, until=until, clock=timezone.now)
        finally:
            connections.close_all()

    worker = Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        worker.join()


def _bar(page: Page) -> Locator:
    return page.get_by_role("progressbar")


def _reaches(page: Page, is_enough: Callable[[int], bool]) -> int:
    """Wait until the bar says enough, without loading the page again; return what it says."""
    for _ in range(150):
        told = int(_bar(page).get_attribute("aria-valuenow") or 0)
        if is_enough(told):
            return told
        page.wait_for_timeout(100)
    pytest.fail("the bar does not move")


def _width(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def test_staff_connect_with_a_token_subscribe_and_watch_a_backfill(
    staff_page: Page, sandbox: SandboxControl
):
    page = staff_page
    sandbox.seed_bookings(120, days=60)

    page.goto("/admin/integrations/connection/add/")
    page.get_by_role("link", name="Calendly").last.click()
    page.get_by_label("Name").fill("Harbor")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Not connected yet")).to_be_visible()
    page.get_by_label("Access token").fill("sandbox-calendly-pat")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Connected as Olivia Owens")).to_be_visible()
    expect(page.get_by_text("Harbor Consulting").first).to_be_visible()

    steps = page.locator(".cs-steps")
    steps.get_by_role("button", name="Subscribe").click()
    expect(steps.get_by_text("Bookings arrive by webhook.")).to_be_visible()
    steps.get_by_role("link", name="Backfill").click()
    page.get_by_role("button", name="Start the backfill").click()
    expect(page.get_by_text("Waiting for a free worker.")).to_be_visible()

    sandbox.add_fault("calendly", "latency", times=0, seconds=0.05)
    connection = Connection.objects.get(name="Harbor")
    with working(connection):
        expect(page.get_by_text("running", exact=True)).to_be_visible()
        _reaches(page, lambda told: told > 0)
        expect(page.get_by_text("Everything in the window was read.")).to_be_visible(timeout=LONG)

    assert _reaches(page, lambda told: told == 100)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    expect(page.get_by_text("From before:")).to_be_visible()
    assert BackfillRun.objects.get().bookings == Booking.objects.count() > 90
    page.goto(f"/admin/integrations/connection/{connection.pk}/change/")
    expect(page.get_by_text("What was booked before is here.")).to_be_visible()


def test_staff_connect_by_oauth(staff_page: Page, sandbox: SandboxControl):
    connection = Connection.objects.create(provider="calendly", name="Harbor")
    page = staff_page

    page.goto(f"/admin/integrations/connection/{connection.pk}/change/")
    page.locator(".cs-steps").get_by_role("button", name="Connect with Calendly").click()

    expect(page.get_by_role("heading", name="Connected as Olivia Owens")).to_be_visible()
    expect(page.get_by_text("and is renewed by itself")).to_be_visible()
    page.locator("summary", has_text="Scopes").click()
    expect(page.locator(".cs-yes").first).to_be_visible()
    expect(page.locator(".cs-no")).to_have_count(0)


def test_staff_stop_a_running_backfill_and_resume_it(staff_page: Page, sandbox: SandboxControl):
    connection = connect()
    profiles.refresh(connection, now=timezone.now())
    sandbox.seed_bookings(300, days=60)
    sandbox.add_fault("calendly", "latency", times=0, seconds=0.05)
    run = backfill.start_usual(connection, trigger="operator", now=timezone.now())
    page = staff_page

    page.goto(f"/admin/integrations/backfillrun/{run.pk}/change/")
    with working(connection):
        expect(page.get_by_text("running", exact=True)).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Stopped before the end of the window.")).to_be_visible(
            timeout=LONG
        )
    run.refresh_from_db()
    stopped = run.state, run.bookings
    page.get_by_role("button", name="Resume").click()

    expect(page.get_by_text("It goes on where it had come to.")).to_be_visible()
    sandbox.clear_faults()
    with working(connection):
        expect(page.get_by_text("Everything in the window was read.")).to_be_visible(timeout=LONG)
    run.refresh_from_db()
    assert stopped[0] == BackfillRun.State.STOPPED
    assert stopped[1] < run.bookings


def test_a_page_that_cannot_reach_the_site_says_that_its_numbers_stand_still(staff_page: Page):
    run = BackfillRunFactory.create(state="running", phase="bookings")
    page = staff_page
    page.goto(f"/admin/integrations/backfillrun/{run.pk}/change/")
    notice = page.get_by_text("the numbers stand still")
    expect(notice).to_be_hidden()

    page.route("**/progress/", lambda route: route.fulfill(status=302, headers={"Location": "/"}))
    expect(notice).to_be_visible()
    page.unroute("**/progress/")

    expect(notice).to_be_hidden()


def test_connections_and_backfills_fit_a_phone(staff_page: Page, sandbox: SandboxControl):
    connection = connect()
    subscription = WebhookSubscriptionFactory.create(connection=connection, state="disabled", managed=True, uri="https://api.calendly.com/webhook_subscriptions/6aeb18c8-4210-43a9-a1ad-bff15093e2c2")  # fmt: skip
    run = BackfillRunFactory.create(connection=connection, ended=True, state="partial", errors=1)
    BackfillFindingFactory.create(run=run)
    BackfillProblem.objects.create(
        run=run, uri="https://api.calendly.com/x", error="No.", created_at=timezone.now()
    )
    page = staff_page
    page.set_viewport_size({"width": 390, "height": 844})

    for path in (
        f"connection/{connection.pk}/change/", "connection/add/", f"backfillrun/{run.pk}/change/", "backfillrun/add/",
        f"webhooksubscription/{subscription.pk}/change/",
    ):  # fmt: skip
        page.goto(f"/admin/integrations/{path}")
        assert _width(page) <= 390, path


def test_bookings_and_what_surrounds_them_fit_a_phone(staff_page: Page):
    invitee = InviteeFactory.create(
        email="a.rather.long.address@subsidiary.northwind.example",
        answers=[{"question": "Number of employees", "answer": "2-10"}],
        tracking={"utm_campaign": "spring-launch"},
        cancel_url="https://calendly.com/cancellations/1",
    )
    submission = RoutingSubmissionFactory.create(
        raw={"uri": f"https://api.calendly.com/{80 * 'x'}"}
    )
    page = staff_page
    page.set_viewport_size({"width": 390, "height": 844})

    for path in (
        f"booking/{invitee.booking.pk}/change/", f"host/{invitee.booking.hosts.get().pk}/change/",
        f"routingsubmission/{submission.pk}/change/",
    ):  # fmt: skip
        page.goto(f"/admin/bookings/{path}")
        assert _width(page) <= 390, path
