"""What the contract suite has to know of e-mail: its objects are the entries of the participants' calendars."""

from typing import Any

from icalendar import Calendar

from integrations.sandbox import SandboxServer
from tests.connectors.harness import Harness


def calendar_entries(server: SandboxServer) -> list[Any]:
    """What calendars show, read by the iTIP rules: one entry a UID, the highest number and newest stamp of it."""
    shown: dict[str, dict[str, Any]] = {}
    for mail in server.state.mail.messages:
        if not mail["calendar"]:
            continue
        calendar = Calendar.from_ical(mail["calendar"])
        event = calendar.walk("VEVENT")[0]
        entry = {
            "uid": str(event["uid"]), "sequence": event.decoded("sequence"), "status": str(event["status"]),
            "start": event.decoded("dtstart"), "stamp": event.decoded("dtstamp"), "method": str(calendar["method"]),
        }  # fmt: skip
        last = shown.get(entry["uid"])
        newer = (entry["sequence"], entry["stamp"])
        if last is None or newer >= (last["sequence"], last["stamp"]):
            shown[entry["uid"]] = entry
    return list(shown.values())


def email_settings(server: SandboxServer) -> dict[str, Any]:
    return {
        "host": server.host, "port": server.mail_port, "security": "none",
        "username": server.state.config.mail_username,
        "from_address": "meetings@company.example", "from_name": "Company meetings",
    }  # fmt: skip


def mailed_notices(server: SandboxServer) -> list[str]:
    """What mailboxes show: a message that comes again under its name is dropped."""
    found = {mail["message_id"]: mail for mail in server.state.mail.messages}
    return [mail["html"] for mail in found.values()]


HARNESS = Harness(
    action="send_invite",
    write={"method": "DATA"},
    secrets=lambda config: {"password": config.mail_password},
    settings=email_settings,
    objects=calendar_entries,
    timeout=1.5,
    heals_expired_token=False,
    tells_how_long=False,
    has_links=False,
    failures=({"status": 458}, {"status": 432}),
    failure_is_ambiguous=False,
    good=frozenset({235, 250}),
    notice_options={"to": ["staff@company.example"]},
    notices=mailed_notices,
    nowhere={"port": 9},
)
