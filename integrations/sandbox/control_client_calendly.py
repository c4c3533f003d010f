"""The part of the control client that plays the people of Calendly."""

from typing import Any

from integrations.sandbox.control_client_base import ControlConnection, Json


class CalendlyControl(ControlConnection):
    """Book, change and look at what Calendly holds. With `silently` no webhook is sent."""

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
        silently: bool = False,
        **more: Any,
    ) -> Json:
        """Book a meeting and return the invitee; `now` is when it is booked."""
        data = {name: value for name, value in locals().items() if name not in {"self", "more"}}
        invitee: Json = self.call("POST", "/calendly/book", data | more)
        return invitee

    def reschedule(
        self, invitee: str, *, start_time: str, silently: bool = False, **more: Any
    ) -> Json:
        """Move an invitee to another time and return the new invitee."""
        data = {"invitee": invitee, "start_time": start_time, "silently": silently, **more}
        successor: Json = self.call("POST", "/calendly/reschedule", data)
        return successor

    def cancel(
        self,
        invitee: str,
        *,
        reason: str | None = None,
        canceler_type: str = "invitee",
        now: str | None = None,
        silently: bool = False,
    ) -> Json:
        """Cancel an invitee and return it; `canceler_type` is invitee or host."""
        data = {"reason": reason, "canceler_type": canceler_type, "now": now, "silently": silently}
        row: Json = self.call("POST", "/calendly/cancel", {"invitee": invitee, **data})
        return row

    def mark_no_show(self, invitee: str, *, now: str | None = None, silently: bool = False) -> Json:
        """Mark an invitee as a no-show and return the no-show."""
        data = {"invitee": invitee, "now": now, "silently": silently}
        row: Json = self.call("POST", "/calendly/no_show", data)
        return row

    def unmark_no_show(
        self, invitee: str, *, now: str | None = None, silently: bool = False
    ) -> Json:
        """Take a no-show back and return the invitee."""
        data = {"invitee": invitee, "now": now, "silently": silently}
        row: Json = self.call("POST", "/calendly/no_show/remove", data)
        return row

    def reassign_host(self, invitee: str, *, host: str, now: str | None = None) -> Json:
        """Give an invitee's meeting to another host and return the meeting. No webhook."""
        data = {"invitee": invitee, "host": host, "now": now}
        row: Json = self.call("POST", "/calendly/reassign_host", data)
        return row

    def edit_event(self, event: str, changes: Json, *, now: str | None = None) -> Json:
        """Change a meeting's name, notes, location or guests and return it. No webhook."""
        data = {"event": event, "changes": changes, "now": now}
        row: Json = self.call("POST", "/calendly/edit", data)
        return row

    def edit_invitee(self, invitee: str, changes: Json, *, now: str | None = None) -> Json:
        """Change an invitee's answers, name or address and return it. No webhook."""
        data = {"invitee": invitee, "changes": changes, "now": now}
        row: Json = self.call("POST", "/calendly/edit", data)
        return row

    def edit_event_type(self, event_type: str, changes: Json, *, silently: bool = False) -> Json:
        """Change an event type, or retire it with `{"deleted": True}`; return it."""
        data = {"event_type": event_type, "changes": changes, "silently": silently}
        row: Json = self.call("POST", "/calendly/edit_event_type", data)
        return row

    def submit_form(self, answers: dict[str, str], **more: Any) -> Json:
        """Fill in the routing form and return the submission."""
        data = {"answers": answers, **more}
        row: Json = self.call("POST", "/calendly/routing_submission", data)
        return row

    def make_token(self, *, user: str = "owner", scopes: list[str] | None = None) -> str:
        """Make a Calendly personal access token and return it."""
        answer = self.call("POST", "/calendly/tokens", {"user": user, "scopes": scopes})
        return str(answer["token"])

    def calendly(self) -> Json:
        """Return everything that Calendly holds."""
        state: Json = self.call("GET", "/calendly/state")
        return state
