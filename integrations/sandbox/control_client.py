"""A client of the control API, for tests and the demo."""

from typing import Any, Self

import requests

Json = dict[str, Any]
PATIENCE = 130


class SandboxControlError(RuntimeError):
    """The sandbox refused a control request; the message says why."""


class SandboxControl:
    """Play the people and look inside a sandbox that runs at a URL.

    Invitees, events, hosts and event types may be named by URI or identifier; event types also
    by slug or name, hosts by e-mail address or role. Times are ISO 8601 text in UTC.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _call(self, method: str, path: str, data: Json | None = None) -> Any:
        sent = {name: value for name, value in (data or {}).items() if value is not None}
        given: Json = {"params": sent} if method == "GET" else {"json": sent}
        response = self._session.request(
            method, f"{self.url}/sandbox{path}", timeout=PATIENCE, **given
        )
        answer = response.json()
        if not response.ok:
            raise SandboxControlError(answer.get("error", response.text))
        return answer

    def book(
        self,
        *,
        name: str,
        email: str,
        event_type: str | None = None,
        start_time: str | None = None,
        end_time: str | None = None,
        host: str | None = None,
        now: str | None = None,
        answers: dict[str, str] | list[Json] | None = None,
        tracking: Json | None = None,
        guests: list[str] | None = None,
        location: Json | None = None,
        conference_delay: float | None = None,
        **more: Any,
    ) -> Json:
        """Book a meeting and return the invitee; `now` is when it is booked."""
        data = {name: value for name, value in locals().items() if name not in {"self", "more"}}
        invitee: Json = self._call("POST", "/calendly/book", data | more)
        return invitee

    def reschedule(self, invitee: str, *, start_time: str, **more: Any) -> Json:
        """Move an invitee to another time and return the new invitee."""
        data = {"invitee": invitee, "start_time": start_time, **more}
        successor: Json = self._call("POST", "/calendly/reschedule", data)
        return successor

    def cancel(
        self,
        invitee: str,
        *,
        reason: str | None = None,
        canceler_type: str = "invitee",
        now: str | None = None,
    ) -> Json:
        """Cancel an invitee and return it; `canceler_type` is invitee or host."""
        data = {"reason": reason, "canceler_type": canceler_type, "now": now}
        row: Json = self._call("POST", "/calendly/cancel", {"invitee": invitee, **data})
        return row

    def mark_no_show(self, invitee: str, *, now: str | None = None) -> Json:
        """Mark an invitee as a no-show and return the no-show."""
        row: Json = self._call("POST", "/calendly/no_show", {"invitee": invitee, "now": now})
        return row

    def unmark_no_show(self, invitee: str, *, now: str | None = None) -> Json:
        """Take a no-show back and return the invitee."""
        data = {"invitee": invitee, "now": now}
        row: Json = self._call("POST", "/calendly/no_show/remove", data)
        return row

    def reassign_host(self, invitee: str, *, host: str, now: str | None = None) -> Json:
        """Give an invitee's meeting to another host and return the meeting. No webhook."""
        data = {"invitee": invitee, "host": host, "now": now}
        row: Json = self._call("POST", "/calendly/reassign_host", data)
        return row

    def edit_event(self, event: str, changes: Json, *, now: str | None = None) -> Json:
        """Change a meeting's name, notes, location or guests and return it. No webhook."""
        data = {"event": event, "changes": changes, "now": now}
        row: Json = self._call("POST", "/calendly/edit", data)
        return row

    def edit_invitee(self, invitee: str, changes: Json, *, now: str | None = None) -> Json:
        """Change an invitee's answers, name or address and return it. No webhook."""
        data = {"invitee": invitee, "changes": changes, "now": now}
        row: Json = self._call("POST", "/calendly/edit", data)
        return row

    def edit_event_type(self, event_type: str, changes: Json) -> Json:
        """Change an event type, or retire it with `{"deleted": True}`; return it."""
        data = {"event_type": event_type, "changes": changes}
        row: Json = self._call("POST", "/calendly/edit_event_type", data)
        return row

    def submit_form(self, answers: dict[str, str], **more: Any) -> Json:
        """Fill in the routing form and return the submission."""
        data = {"answers": answers, **more}
        row: Json = self._call("POST", "/calendly/routing_submission", data)
        return row

    def make_token(self, *, user: str = "owner", scopes: list[str] | None = None) -> str:
        """Make a Calendly personal access token and return it."""
        answer = self._call("POST", "/calendly/tokens", {"user": user, "scopes": scopes})
        return str(answer["token"])

    def calendly(self) -> Json:
        """Return everything that Calendly holds."""
        state: Json = self._call("GET", "/calendly/state")
        return state

    def webhooks(self) -> Json:
        """Return subscriptions, deliveries, and how many messages are queued and held."""
        state: Json = self._call("GET", "/webhooks")
        return state

    def deliveries(self, *, event: str | None = None) -> list[Json]:
        """Return the attempts to deliver webhooks, oldest first."""
        rows: list[Json] = self.webhooks()["deliveries"]
        return [row for row in rows if event in (None, row["event"])]

    def wait_idle(self, *, timeout: float = 5, ignore_retries: bool = False) -> bool:
        """Wait until no webhook is queued or under way; tell whether that came true."""
        data = {"timeout": timeout, "ignore_retries": ignore_retries}
        return bool(self._call("POST", "/webhooks/wait_idle", data)["idle"])

    def flush(self) -> None:
        """Send held, delayed and failed webhooks now."""
        self._call("POST", "/webhooks/flush")

    def disable_subscriptions(self, *, url_contains: str = "") -> int:
        """Disable webhook subscriptions the way Calendly does; return how many."""
        data = {
            "service": "webhooks",
            "kind": "disabled_subscription",
            "match": {"path_contains": url_contains},
        }
        return int(self._call("POST", "/faults", data)["disabled"])

    def add_fault(
        self,
        service: str,
        kind: str,
        *,
        times: int = 1,
        match: dict[str, str] | None = None,
        **params: Any,
    ) -> Json:
        """Set a fault switch that acts `times` times, 0 for until cleared."""
        data = {"service": service, "kind": kind, "times": times, "match": match}
        fault: Json = self._call("POST", "/faults", data | {"params": params})
        return fault

    def faults(self) -> list[Json]:
        """Return the switches that still act."""
        rows: list[Json] = self._call("GET", "/faults")
        return rows

    def clear_faults(self, *, service: str | None = None) -> None:
        """Remove the switches of a service, or all."""
        self._call("POST", "/faults/clear", {"service": service})

    def requests(
        self,
        *,
        service: str | None = None,
        method: str | None = None,
        path_contains: str | None = None,
        since: int | None = None,
    ) -> list[Json]:
        """Return the logged requests that match every given filter, oldest first."""
        data = {"service": service, "method": method, "path_contains": path_contains}
        rows: list[Json] = self._call("GET", "/requests", data | {"since": since})
        return rows

    def settings(self, **changes: Any) -> Json:
        """Change the named settings and return all of them."""
        method = "POST" if changes else "GET"
        values: Json = self._call(method, "/settings", changes)
        return values

    def reset(self) -> None:
        """Bring everything back to the start."""
        self._call("POST", "/reset")

    def salesforce_records(self, object: str) -> list[Json]:
        """Return the records of an object."""
        rows: list[Json] = self._call("GET", f"/salesforce/records/{object}")
        return rows

    def salesforce_history(self, *, id: str | None = None) -> list[Json]:
        """Return the writes to the org, of one record if its id is given."""
        rows: list[Json] = self._call("GET", "/salesforce/history", {"id": id})
        return rows

    def salesforce_insert(self, object: str, **fields: Any) -> str:
        """Store a record without the rules for duplicates and return its id."""
        data = {"object": object, "fields": fields}
        return str(self._call("POST", "/salesforce/insert", data)["id"])

    def salesforce_change(self, object: str, id: str, **fields: Any) -> Json:
        """Change a record as a person would and return it."""
        data = {"object": object, "id": id, "fields": fields}
        record: Json = self._call("POST", "/salesforce/change", data)
        return record

    def salesforce_delete(self, object: str, id: str) -> None:
        """Delete a record as a person would."""
        self._call("POST", "/salesforce/delete", {"object": object, "id": id})

    def salesforce_convert_lead(self, lead: str) -> Json:
        """Convert a lead and return the ids of lead, contact and account."""
        ids: Json = self._call("POST", "/salesforce/convert", {"lead": lead})
        return ids

    def salesforce_add_field(self, object: str, name: str, **properties: Any) -> None:
        """Add a field to an object; properties are those of `Field`."""
        added = {"name": name, **properties}
        self._call("POST", "/salesforce/fields", {"object": object, "add": added})

    def salesforce_remove_field(self, object: str, name: str) -> None:
        """Take a field away from an object."""
        self._call("POST", "/salesforce/fields", {"object": object, "remove": name})

    def slack_messages(self, channel: str | None = None) -> list[Json]:
        """Return messages, oldest first, of one channel (id or name) or all."""
        rows: list[Json] = self._call("GET", "/slack/messages", {"channel": channel})
        return rows

    def slack_channel(self, channel: str, **changes: Any) -> Json:
        """Change a channel's `is_archived`, `is_member` or `name`, and return it."""
        row: Json = self._call("POST", "/slack/channel", {"channel": channel, **changes})
        return row

    def slack_say(self, channel: str, text: str, **more: Any) -> Json:
        """Post a message as a person and return it."""
        data = {"channel": channel, "text": text, **more}
        message: Json = self._call("POST", "/slack/say", data)
        return message

    def slack_remove(self, channel: str, ts: str) -> None:
        """Delete a message as a person."""
        self._call("POST", "/slack/remove", {"channel": channel, "ts": ts})
