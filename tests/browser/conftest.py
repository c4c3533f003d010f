"""A browser, and a member of staff who is signed in."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth.models import Group, User
from django.test import Client
from playwright.sync_api import Browser, Page, expect, sync_playwright

from integrations import roles
from integrations.demo.accounts import connect_everything
from integrations.embedded import Child
from integrations.models import Rule
from integrations.sandbox import SandboxServer
from integrations.sandbox.control_client import SandboxControl
from tests.factories import StaffUserFactory

#: Milliseconds for what should be there at once: a machine may be busy.
PATIENCE = 15_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Playwright runs an event loop in this thread, where Django would refuse to use the database.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        browser.close()
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page(browser: Browser, live_server) -> Iterator[Page]:
    context = browser.new_context(
        base_url=live_server.url, viewport={"width": 1400, "height": 900}, color_scheme="light"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []


@pytest.fixture
def sign_in(page: Page, live_server: Any) -> Callable[[User], None]:
    """Give the browser somebody's session; `log_in` is the way over the form."""

    def give(user: User) -> None:
        client = Client()
        client.force_login(user)
        name = project.SESSION_COOKIE_NAME
        cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
        page.context.add_cookies([cookie])  # type: ignore[list-item]  # a dict of these names

    return give


@pytest.fixture
def staff_page(page: Page, sign_in: Callable[[User], None]) -> Page:
    sign_in(StaffUserFactory.create(is_superuser=True))
    return page


def log_in(page: Page, user: User) -> None:
    """Sign in as a person does."""
    page.goto("/admin/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill("password")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")


def press(page: Page, url: str, **given: str) -> int:
    """Send by hand what a button of the site would, signed in as the page is; return the status of the answer."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    form: dict[str, str | float | bool] = {"csrfmiddlewaretoken": cookies["csrftoken"], **given}
    return page.request.post(url, form=form, max_redirects=0).status


def person_in(role: str, username: str) -> User:
    """Return a member of one of the groups that come with Calsync."""
    roles.make_groups()
    user: User = StaffUserFactory.create(username=username)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def sandbox(server: SandboxServer, live_server: Any, settings: Any) -> Iterator[SandboxControl]:
    """The providers, empty, and the site named to them; nothing is connected yet."""
    server.reset()
    addresses = providers(server)
    for name, value in addresses.items():
        setattr(settings, name, value)
    settings.CALSYNC_PUBLIC_URL = live_server.url
    with SandboxControl(server.url) as control:
        yield control


@pytest.fixture
def connected(sandbox: SandboxControl, server: SandboxServer) -> SandboxControl:
    """Calendly, Salesforce and Slack as they are used: bookings arrive at the site by webhook, and are carried on."""
    connect_everything(sandbox_url=server.url, mail_port=server.mail_port)
    Rule.objects.exclude(connection__provider__in=["salesforce", "slack"]).delete()
    Rule.objects.update(waits_for=None)
    return sandbox


@pytest.fixture
def worker(
    server: SandboxServer, live_server: Any, child_environment: dict[str, str], tmp_path: Path
) -> Iterator[Child]:
    """A worker, as it runs: a process of its own, woken by what the site does."""
    environment = {
        **child_environment, **providers(server), "CALSYNC_PUBLIC_URL": live_server.url,
        "CALSYNC_ENV": "development", "CALSYNC_VAR_DIR": str(tmp_path / "var"),
        "CALSYNC_VAULT_KEYS": ",".join(project.CALSYNC_VAULT_KEYS), "SLACK_MESSAGE_SECONDS": "0.05",
    }  # fmt: skip
    command = [
        sys.executable, "-m", "celery", "--app", "config", "worker", "--pool", "threads", "--concurrency", "2",
        "--without-gossip", "--without-mingle", "--loglevel", "INFO",
    ]  # fmt: skip
    child = Child.start("worker", command, log=tmp_path / "worker.log", env=environment, cwd=Path(project.BASE_DIR))  # fmt: skip
    try:
        until(lambda: " ready." in child.log.read_text(), "the worker is ready")
        yield child
    finally:
        child.stop()


def providers(server: SandboxServer) -> dict[str, str]:
    """Return the settings that name the sandbox."""
    return {
        "CALENDLY_API_URL": f"{server.url}/calendly",
        "SALESFORCE_LOGIN_URL": f"{server.url}/salesforce",
        "SLACK_API_URL": f"{server.url}/slack/api/",
    }


def until(condition: Callable[[], object], what: str, *, seconds: float = 45) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"It never came true that {what}."
        time.sleep(0.05)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here: a page looks the same on each database, and what is behind it is asked on both elsewhere."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.db_independent)
