import io
import json
import os
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.sources.loading import FOLDER, body

pytestmark = pytest.mark.db_independent

API = "https://api.calendly.com"


def explain(*files):
    """The lines that were printed, and the exit status."""
    out = io.StringIO()
    try:
        call_command("explain_webhook", *map(str, files), stdout=out)
    except SystemExit as leaving:
        return out.getvalue().splitlines(), leaving.code
    return out.getvalue().splitlines(), 0


def fixture(name):
    return FOLDER / f"{name}.json"


def test_a_webhook_is_explained_in_one_line():
    (line,), status = explain(fixture("invitee.canceled"))

    assert status == 0
    assert "invitee.canceled: 1 snapshot" in line
    assert "“Product demo” canceled, 2026-12-03 15:00 to 15:30 UTC" in line
    assert "Jane Roe canceled, canceled by Jane Roe (“Travelling that week”)" in line


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("invitee.canceled-rescheduled", "moved to e95d0f13"),
        ("invitee.created-rescheduled", "moved here from c41b7a90"),
        ("invitee_no_show.created", "marked as a no-show"),
        ("invitee_no_show.created-bare", "marked as a no-show"),
        ("invitee_no_show.deleted", "not a no-show"),
        ("invitee.canceled-without-scheduled-event", "without details (to be fetched)"),
        ("invitee.created-link-processing", "google_conference processing"),
        ("invitee.created-guests-payment-tracking", "2 guests"),
        ("event_type.deleted", "“Product demo” deleted, 30 minutes"),
        ("routing_form_submission.created", "2 answers, leads to: event type"),
        ("api-users-me", "host Maria Lindqvist"),
        ("api-scheduled_events", "2 snapshots"),
    ],
)
def test_each_kind_is_explained_in_its_words(name, words):
    (line,), status = explain(fixture(name))

    assert status == 0
    assert words in line


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"uri": f"{API}/organization_memberships/M", "role": "owner", "user": {"uri": f"{API}/users/U", "name": "Ann"}},
         "member as owner: host Ann"),
        ({"uri": f"{API}/groups/G", "name": "Sales"}, "group “Sales”"),
        ({"uri": f"{API}/group_relationships/R", "group": f"{API}/groups/G", "role": "admin",
          "owner": {"uri": f"{API}/organization_memberships/M"}}, "admin of group G: M"),
        ({"uri": f"{API}/group_relationships/R", "group": f"{API}/groups/G"}, "member of group G: somebody invited"),
        ({"uri": f"{API}/routing_forms/F", "name": "Demo", "status": "published", "questions": [{}]},
         "routing form “Demo” published, 1 question"),
    ],
)  # fmt: skip
def test_what_surrounds_the_bookings_is_explained_too(tmp_path, row, words):
    (tmp_path / "answer.json").write_text(json.dumps({"collection": [row], "pagination": {}}))

    (line,), status = explain(tmp_path / "answer.json")

    assert status == 0
    assert words in line


def test_one_file_that_is_not_understood_decides_the_exit_status():
    lines, status = explain(fixture("contact.updated"), fixture("invitee.created"))

    assert status == 1
    assert "not understood: contact.updated: Calsync mirrors meetings" in lines[0]
    assert "1 snapshot" in lines[1]


def test_what_cannot_be_read_gets_a_line_of_its_own(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "broken").write_text('{"event": ')
    (tmp_path / "latin").write_bytes(b'{"event": "\xe9", "payload": {"x": 1}}')
    names = [tmp_path / name for name in ("missing", "empty", "binary", "broken", "latin")]

    lines, status = explain(*names, tmp_path, "", "a\x00b", "bell\x07\n")

    assert status == 1
    assert len(lines) == 9
    assert "cannot be read: No such file" in lines[0]
    assert "The body is empty" in lines[1]
    assert "not JSON" in lines[2]
    assert "not JSON" in lines[3]
    assert "does not know the event" in lines[4]
    assert "cannot be read: Is a directory" in lines[5]
    assert not any("\x07" in line or "\x00" in line for line in lines)


def test_a_dash_reads_standard_input(monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(body("invitee.created")))
    monkeypatch.setattr("sys.stdin", stdin)

    (line,), status = explain("-")

    assert status == 0
    assert line.startswith("-: invitee.created")


def test_a_terminal_without_unicode_does_no_harm(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))

    (line,), _ = explain(fixture("invitee.created-unicode"))

    assert line.isascii()


def test_every_body_of_a_given_folder_is_answered():
    """CALSYNC_PAYLOADS names a folder of bodies that others published."""
    folder = Path(os.environ.get("CALSYNC_PAYLOADS", "-"))
    if not folder.is_dir():
        pytest.skip("CALSYNC_PAYLOADS names no folder of JSON bodies")
    files = sorted(folder.glob("*.json"))

    lines, status = explain(*files)

    assert len(lines) == len(files)
    assert not [line for line in lines if "cannot be read" in line or "not JSON" in line]
    assert status in {0, 1}
