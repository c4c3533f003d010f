"""The page books, reschedules, cancels and shows what the services hold, as text only."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import requests
import standardwebhooks
from playwright.sync_api import Page, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.db_independent]

TITLE = "Calsync's sandbox"
HOSTILE = "<img src=x onerror=\"document.title='broken'\">"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
Walk = Callable[[Page], object]


@pytest.fixture
def browse(sandbox, chromium_path) -> Callable[[Walk], None]:
    """Walk over the page, in a thread: Playwright allows one event loop in each."""

    def walk_there(walk: Walk) -> None:
        problems: list[str] = []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
            page = browser.new_page()
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda said: problems.append(said.text))
            page.goto(sandbox.url)
            walk(page)
            assert page.title() == TITLE
            browser.close()
        assert [one for one in problems if "400 (BAD REQUEST)" not in one] == []

    def run(walk: Walk) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(walk_there, walk).result(timeout=60)

    return run


def test_a_meeting_is_booked_moved_and_canceled(browse, control):
    def walk(page: Page) -> None:
        page.get_by_label("Event type").select_option(label="Interview, 45 min")
        page.get_by_label("Name", exact=True).fill(HOSTILE)
        page.get_by_label("Position you apply for").fill("Chef")
        page.get_by_role("button", name="Book").click()
        page.get_by_text(HOSTILE).wait_for()
        page.get_by_role("button", name="No-show").click()
        page.get_by_text("no-show", exact=True).wait_for()
        page.get_by_role("button", name="Reschedule by a day").click()
        page.get_by_text("rescheduled", exact=True).wait_for()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("canceled", exact=True).wait_for()

    browse(walk)

    old, new = control.calendly()["invitees"]
    assert (old["new_invitee"], new["status"]) == (new["uri"], "canceled")
    assert old["questions_and_answers"][0]["answer"] == "Chef"


def test_the_tabs_show_what_happened(browse, control):
    control.slack_say("sales", f"*bold* {HOSTILE}")
    control.salesforce_insert("Lead", LastName=HOSTILE, Company="X")

    def walk(page: Page) -> None:
        page.get_by_text(HOSTILE).first.wait_for()
        page.get_by_role("tab", name="Slack").click()
        page.get_by_text("bold").wait_for()
        page.get_by_role("tab", name="Faults").click()
        page.get_by_role("button", name="Switch on").click()
        page.get_by_role("button", name="Clear").wait_for()

    browse(walk)

    assert control.faults()[0]["kind"] == "latency"


def test_a_signed_message_is_shown_as_it_came(browse, control, sandbox):
    body = json.dumps({"type": "booking.booked", "data": {"name": HOSTILE}})
    at = datetime.now(UTC)
    signature = standardwebhooks.Webhook(sandbox.state.config.receiver_secret).sign("m", at, body)
    headers = {
        "webhook-id": "m", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature,
    }  # fmt: skip
    assert requests.post(f"{sandbox.url}/webhook/erp", body, headers=headers, timeout=10).ok

    def walk(page: Page) -> None:
        page.get_by_role("tab", name="Receiver").click()
        page.get_by_text("booking.booked").first.click()
        page.get_by_text("<img src=x onerror=").wait_for()

    browse(walk)


def test_what_a_rest_interface_holds_is_shown_under_its_name(browse, control):
    control.rest_insert("notes", id="note-1", subject=HOSTILE, note="<p>Booked.</p>")

    def walk(page: Page) -> None:
        page.get_by_role("tab", name="REST").click()
        page.get_by_role("heading", name="notes 1").wait_for()
        page.get_by_text(HOSTILE).first.click()
        page.get_by_text("<p>Booked.</p>").wait_for()

    browse(walk)


def test_a_refusal_is_told(browse):
    def walk(page: Page) -> None:
        page.get_by_label("Company").fill("X")
        page.get_by_label("Name", exact=True).fill(" ")
        page.get_by_role("button", name="Book").click()
        page.get_by_role("alert").get_by_text("needs a name and an email").wait_for()

    browse(walk)
