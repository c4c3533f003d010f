"""Where a meeting takes place, and conference links that come a little later."""

import random
from typing import Any

from integrations.sandbox.web import Json

CONFERENCES = {
    "zoom_conference": "zoom",
    "zoom": "zoom",
    "google_conference": "google_conference",
    "microsoft_teams_conference": "microsoft_teams_conference",
    "webex_conference": "webex_conference",
    "gotomeeting_conference": "gotomeeting",
    "gotomeeting": "gotomeeting",
}


def build(
    choice: Json | None, *, event_id: str, processing: bool, draw: random.Random
) -> Json | None:
    """Return a scheduled event's location for an event type's `{kind, location}`."""
    if choice is None:
        return None
    kind = str(choice.get("kind") or choice.get("type") or "custom")
    if kind in CONFERENCES:
        location: Json = {"type": CONFERENCES[kind], "status": "processing", "join_url": None}
        if kind != "google_conference":
            location["data"] = None
        return location if processing else push(location, event_id=event_id, draw=draw)
    location = {"type": kind, "location": choice.get("location")}
    if choice.get("additional_info"):
        location["additional_info"] = choice["additional_info"]
    return location


def is_processing(location: Any) -> bool:
    """Tell whether the conference link is still to come."""
    return isinstance(location, dict) and location.get("status") == "processing"


def push(location: Json, *, event_id: str, draw: random.Random) -> Json:
    """Return the location with its conference link and data filled."""
    kind = str(location["type"])
    number = draw.randint(10**10, 10**11 - 1)
    filled = {"type": kind, "status": "pushed", "join_url": _link(kind, number, event_id)}
    if kind == "google_conference":
        return filled
    return filled | {"data": _data(kind, number)}


def _link(kind: str, number: int, event_id: str) -> str:
    links = {
        "zoom": f"https://harbor.zoom.example/j/{number}",
        "google_conference": f"https://calendly.com/events/{event_id}/google_meet",
        "microsoft_teams_conference": f"https://teams.example/l/meetup-join/{number}",
        "webex_conference": f"https://harbor.webex.example/meet/{number}",
        "gotomeeting": f"https://meet.goto.example/{number}",
    }
    return links[kind]


def _data(kind: str, number: int) -> Json | None:
    data: dict[str, Json | None] = {
        "zoom": {
            "id": number,
            "settings": {"global_dial_in_numbers": []},
            "extra": {"intl_numbers_url": f"https://harbor.zoom.example/u/{number}"},
            "password": "harbor",
        },
        "microsoft_teams_conference": None,
        "webex_conference": {
            "id": str(number),
            "telephony": {"callInNumbers": []},
            "password": "harbor",
        },
        "gotomeeting": {
            "uniqueMeetingId": number,
            "conferenceCallInfo": f"Call +1 555 0100, {number}",
        },
    }
    return data[kind]
