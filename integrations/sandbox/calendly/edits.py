"""Changes that Calendly tells nobody of, and those of event types and routing forms."""

from datetime import datetime

from integrations.sandbox.calendly import bookings, locations, messages
from integrations.sandbox.calendly.world import CalendlyWorld, fetch, tail
from integrations.sandbox.clock import later, micro
from integrations.sandbox.web import Json


def edit_event(world: CalendlyWorld, event: Json, changes: Json, *, at: datetime) -> Json:
    """Change a meeting's name, notes, location, guests or host; no webhook is sent."""
    for name in ("name", "meeting_notes_plain", "meeting_notes_html"):
        if name in changes:
            event[name] = changes[name]
    if "location" in changes:
        key = tail(event["uri"])
        event["location"] = locations.build(
            changes["location"], event_id=key, processing=False, draw=world.draw
        )
    if "guests" in changes:
        stamp = micro(at)
        event["event_guests"] = [
            {"email": email, "created_at": stamp, "updated_at": stamp}
            for email in changes["guests"]
        ]
    if changes.get("host"):
        start, end = event["start_time"], event["end_time"]
        host = tail(changes["host"])
        event["event_memberships"] = [bookings.member(world, host, start=start, end=end)]
    event["updated_at"] = later(event["updated_at"], at)
    return event


def edit_invitee(invitee: Json, changes: Json, *, at: datetime) -> Json:
    """Change an invitee's answers, name or address; no webhook is sent."""
    for name in ("questions_and_answers", "name", "email", "timezone", "text_reminder_number"):
        if name in changes:
            invitee[name] = changes[name]
    invitee["updated_at"] = later(invitee["updated_at"], at)
    return invitee


def edit_event_type(world: CalendlyWorld, event_type: Json, changes: Json, *, at: datetime) -> Json:
    """Change or (with `deleted`) retire an event type, and announce it."""
    values = {name: value for name, value in changes.items() if name in event_type}
    event_type |= values
    if changes.get("deleted"):
        event_type |= {"active": False, "deleted_at": micro(at)}
    event_type["updated_at"] = later(event_type["updated_at"], at)
    what = "event_type.deleted" if changes.get("deleted") else "event_type.updated"
    hosts = world.hosts_of[tail(event_type["uri"])]
    messages.publish(world, what, payload=event_type, hosts=hosts, at=at)
    return event_type


def submit_form(
    world: CalendlyWorld,
    form: Json,
    *,
    answers: dict[str, str],
    result: Json | None,
    at: datetime,
    submitter: str | None = None,
    tracking: Json | None = None,
) -> Json:
    """Record a routing form's submission and announce it. `answers` go by question name."""
    key, stamp = world.new_id(), micro(at)
    world.submissions[key] = {
        "uri": world.uri("routing_form_submissions", key),
        "routing_form": form["uri"],
        "questions_and_answers": _form_answers(form, answers),
        "tracking": {name: (tracking or {}).get(name) for name in bookings.TRACKING},
        "result": result or _default_result(world),
        "submitter": submitter,
        "submitter_type": "Invitee" if submitter else None,
        "created_at": stamp,
        "updated_at": stamp,
    }
    messages.publish(
        world,
        "routing_form_submission.created",
        payload=fetch(world.submissions, key),
        hosts=[],
        at=at,
    )
    return world.submissions[key]


def _form_answers(form: Json, answers: dict[str, str]) -> list[Json]:
    return [
        {"question_uuid": row["uuid"], "question": row["name"], "answer": answers.get(row["name"])}
        for row in form["questions"]
    ]


def _default_result(world: CalendlyWorld) -> Json:
    event_type = next(iter(world.event_types.values()))
    return {"type": "event_type", "value": event_type["uri"]}
