"""A client of the control API, for tests and the demo."""

from typing import Any

from integrations.sandbox.control_client_base import Json, SandboxControlError
from integrations.sandbox.control_client_bulk import BulkControl
from integrations.sandbox.control_client_calendly import CalendlyControl
from integrations.sandbox.control_client_rest import RestControl
from integrations.sandbox.control_client_webhook import WebhookControl

__all__ = ["Json", "SandboxControl", "SandboxControlError"]


class SandboxControl(CalendlyControl, BulkControl, RestControl, WebhookControl):
    """Play the people and look inside a sandbox that runs at a URL.

    Invitees, events, hosts and event types may be named by URI or identifier; event types also
    by slug or name, hosts by e-mail address or role. Times are ISO 8601 text in UTC.
    """

    def webhooks(self) -> Json:
        """Return subscriptions, deliveries, and how many messages are queued and held."""
        state: Json = self.call("GET", "/webhooks")
        return state

    def deliveries(self, *, event: str | None = None) -> list[Json]:
        """Return the attempts to deliver webhooks, oldest first."""
        rows: list[Json] = self.webhooks()["deliveries"]
        return [row for row in rows if event in (None, row["event"])]

    def wait_idle(self, *, timeout: float = 5, ignore_retries: bool = False) -> bool:
        """Wait until no webhook is queued or under way; tell whether that came true."""
        data = {"timeout": timeout, "ignore_retries": ignore_retries}
        return bool(self.call("POST", "/webhooks/wait_idle", data)["idle"])

    def flush(self) -> None:
        """Send held, delayed and failed webhooks now."""
        self.call("POST", "/webhooks/flush")

    def disable_subscriptions(self, *, url_contains: str = "") -> int:
        """Disable webhook subscriptions the way Calendly does; return how many."""
        data = {
            "service": "webhooks",
            "kind": "disabled_subscription",
            "match": {"path_contains": url_contains},
        }
        return int(self.call("POST", "/faults", data)["disabled"])

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
        fault: Json = self.call("POST", "/faults", data | {"params": params})
        return fault

    def faults(self) -> list[Json]:
        """Return the switches that still act."""
        rows: list[Json] = self.call("GET", "/faults")
        return rows

    def clear_faults(self, *, service: str | None = None) -> None:
        """Remove the switches of a service, or all."""
        self.call("POST", "/faults/clear", {"service": service})

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
        rows: list[Json] = self.call("GET", "/requests", data | {"since": since})
        return rows

    def settings(self, **changes: Any) -> Json:
        """Change the named settings and return all of them."""
        method = "POST" if changes else "GET"
        values: Json = self.call(method, "/settings", changes)
        return values

    def reset(self) -> None:
        """Bring everything back to the start."""
        self.call("POST", "/reset")

    def salesforce_records(self, object: str) -> list[Json]:
        """Return the records of an object."""
        rows: list[Json] = self.call("GET", f"/salesforce/records/{object}")
        return rows

    def salesforce_history(self, *, id: str | None = None) -> list[Json]:
        """Return the writes to the org, of one record if its id is given."""
        rows: list[Json] = self.call("GET", "/salesforce/history", {"id": id})
        return rows

    def salesforce_insert(self, object: str, **fields: Any) -> str:
        """Store a record without the rules for duplicates and return its id."""
        data = {"object": object, "fields": fields}
        return str(self.call("POST", "/salesforce/insert", data)["id"])

    def salesforce_change(self, object: str, id: str, **fields: Any) -> Json:
        """Change a record as a person would and return it."""
        data = {"object": object, "id": id, "fields": fields}
        record: Json = self.call("POST", "/salesforce/change", data)
        return record

    def salesforce_delete(self, object: str, id: str) -> None:
        """Delete a record as a person would."""
        self.call("POST", "/salesforce/delete", {"object": object, "id": id})

    def salesforce_convert_lead(self, lead: str) -> Json:
        """Convert a lead and return the ids of lead, contact and account."""
        ids: Json = self.call("POST", "/salesforce/convert", {"lead": lead})
        return ids

    def salesforce_merge(self, object: str, *, kept: str, merged: str) -> None:
        """Merge a record into another of its object."""
        self.call("POST", "/salesforce/merge", {"object": object, "kept": kept, "merged": merged})

    def salesforce_person_account(self, **fields: Any) -> Json:
        """Turn Person Accounts on, make one, and return the ids of account and contact."""
        ids: Json = self.call("POST", "/salesforce/person_account", {"fields": fields})
        return ids

    def salesforce_shared_activities(self) -> None:
        """Turn Shared Activities on: Leads can be invited to an Event, too."""
        self.call("POST", "/salesforce/shared_activities", {})

    def salesforce_add_field(self, object: str, name: str, **properties: Any) -> None:
        """Add a field to an object; properties are those of `Field`."""
        added = {"name": name, **properties}
        self.call("POST", "/salesforce/fields", {"object": object, "add": added})

    def salesforce_remove_field(self, object: str, name: str) -> None:
        """Take a field away from an object."""
        self.call("POST", "/salesforce/fields", {"object": object, "remove": name})

    def salesforce_validation_rule(
        self, object: str, *, requires: str, message: str, **where: Any
    ) -> None:
        """Refuse records that are as `where` says while the field `requires` is empty, however they are written."""
        data = {"object": object, "requires": requires, "message": message, "where": where}
        self.call("POST", "/salesforce/validation_rule", data)

    def slack_messages(self, channel: str | None = None) -> list[Json]:
        """Return messages, oldest first, of one channel (id or name) or all."""
        rows: list[Json] = self.call("GET", "/slack/messages", {"channel": channel})
        return rows

    def slack_channel(self, channel: str, **changes: Any) -> Json:
        """Change a channel's `is_archived`, `is_member` or `name`, and return it."""
        row: Json = self.call("POST", "/slack/channel", {"channel": channel, **changes})
        return row

    def slack_say(self, channel: str, text: str, **more: Any) -> Json:
        """Post a message as a person and return it."""
        data = {"channel": channel, "text": text, **more}
        message: Json = self.call("POST", "/slack/say", data)
        return message

    def slack_remove(self, channel: str, ts: str) -> None:
        """Delete a message as a person."""
        self.call("POST", "/slack/remove", {"channel": channel, "ts": ts})

    def mails(self, to: str | None = None) -> list[Json]:
        """Return the messages that the mail server took, oldest first, of one recipient or all."""
        rows: list[Json] = self.call("GET", "/email/mails", {"to": to})
        return rows

    def slack_press(
        self, channel: str, ts: str, action_id: str, *, user: str = "U0OLIVIA1", **more: Any
    ) -> Json:
        """Press a button of a message as a person, and return the `status` that the app answered, 0 for none.

        It is sent to the setting `slack_interactivity_url`. `age` (seconds) and `secret` spoil the signature, `times`
        sends the same bytes again.
        """
        data = {
            "channel": channel,
            "ts": ts,
            "action_id": action_id,
            "user": user,
            "base": self.url,
        }
        answer: Json = self.call("POST", "/slack/press", {**data, **more})
        return answer

    def slack_whispers(self, user: str | None = None) -> list[Json]:
        """Return what only one person saw: answers to presses, and ephemeral messages."""
        rows: list[Json] = self.call("GET", "/slack/whispers", {"user": user})
        return rows
