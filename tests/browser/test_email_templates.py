"""E-mail templates in a real browser: a preview shows a stranger's words, and runs nothing of a template's."""

import socket

import pytest
from playwright.sync_api import expect

from integrations.models import EmailTemplate
from tests.factories import InviteeFactory

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/integrations/emailtemplate/"


def test_staff_change_a_template_and_see_what_it_says(staff_page):
    InviteeFactory.create(name="Ida <b>Invitee</b>", email="ida@customer.example")
    staff_page.goto(LIST)
    staff_page.get_by_role("row", name="Confirmation").get_by_role("link", name="Change").click()
    staff_page.get_by_label("Subject").fill("Hello {{ invitee.nam }}")
    staff_page.get_by_role("button", name="Save", exact=True).click()
    expect(staff_page.get_by_text("The template names 'invitee.nam'")).to_be_visible()
    staff_page.get_by_label("Subject").fill("Hello {{ invitee.name }}")
    staff_page.get_by_role("button", name="Save", exact=True).click()

    staff_page.locator("#result_list").get_by_role("link", name="Preview").click()

    expect(staff_page.get_by_text("Hello Ida <b>Invitee</b>", exact=True)).to_be_visible()
    shown = staff_page.frame_locator("iframe")
    expect(shown.get_by_role("heading", name="You are booked")).to_be_visible()
    expect(shown.get_by_text("Hello Ida <b>Invitee</b>,")).to_be_visible()


def test_a_preview_runs_no_script_and_asks_no_other_server(staff_page):
    other = socket.create_server(("127.0.0.1", 0))
    other.setblocking(False)
    address = f"http://127.0.0.1:{other.getsockname()[1]}/x.png"
    html = f"<p id=shown>Shown</p><script>top.document.title='taken'</script><img src='{address}' onerror=\"top.document.title='taken'\">"
    EmailTemplate.objects.create(name="bad", label="Bad", subject="Bad", text="Bad", html=html)

    staff_page.goto(f"{LIST}preview/bad/")

    expect(staff_page.frame_locator("iframe").get_by_text("Shown")).to_be_visible()
    assert staff_page.title().startswith("Preview of Bad")
    with other, pytest.raises(BlockingIOError):  # nobody came
        other.accept()
