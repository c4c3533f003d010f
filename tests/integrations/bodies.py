"""Bodies of Calendly's webhooks for the stations' tests, and a source that can be broken."""

from integrations.sources.calendly.source import CalendlySource

API = "https://api.calendly.com"


def invitee(*, booking="E1", number="I1", **fields):
    """Return an invitee with its scheduled event, as `invitee.created` carries it."""
    return {
        "uri": f"{API}/scheduled_events/{booking}/invitees/{number}",
        "event": f"{API}/scheduled_events/{booking}",
        "email": "ann@example.com",
        "name": "Ann Lee",
        "status": "active",
        "timezone": "Europe/Berlin",
        "created_at": "2026-11-02T09:00:00.123456Z",
        "updated_at": "2026-11-02T09:00:00.123456Z",
        "rescheduled": False,
        "old_invitee": None,
        "new_invitee": None,
        "questions_and_answers": [{"question": "Company", "answer": "Northwind", "position": 0}],
        "tracking": {"utm_source": "newsletter"},
        "scheduled_event": {
            "uri": f"{API}/scheduled_events/{booking}",
            "name": "Discovery call",
            "status": "active",
            "start_time": "2026-12-01T10:00:00.000000Z",
            "end_time": "2026-12-01T10:30:00.000000Z",
            "event_type": f"{API}/event_types/T1",
            "location": {
                "type": "zoom",
                "status": "pushed",
                "join_url": "https://zoom.example/j/1",
            },
            "invitees_counter": {"total": 1, "active": 1, "limit": 1},
            "event_memberships": [
                {
                    "user": f"{API}/users/U1",
                    "user_email": "hanna@calsync.example",
                    "user_name": "Hanna Host",
                }
            ],
            "created_at": "2026-11-02T09:00:00.000000Z",
            "updated_at": "2026-11-02T09:00:00.000000Z",
        },
        **fields,
    }


def envelope(event, payload, *, created_at="2026-11-02T09:00:01.000000Z"):
    """Return the body that Calendly wraps a payload in."""
    return {
        "event": event,
        "created_at": created_at,
        "created_by": f"{API}/users/U0",
        "payload": payload,
    }


class BreakableSource(CalendlySource):
    """Break at the body `break`, as a fault of ours would."""

    def parse(self, body, *, received_at):
        """Divide by zero, or parse."""
        return super().parse(body, received_at=received_at) if body != b"break" else 1 / 0
