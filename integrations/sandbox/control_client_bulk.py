"""The part of the control client for many bookings at once, and for what vanishes."""

from integrations.sandbox.control_client_base import ControlConnection, Json


class BulkControl(ControlConnection):
    """Fill Calendly, and change it behind everybody's back: none of this sends a webhook."""

    def seed_bookings(
        self,
        count: int,
        *,
        start: str | None = None,
        days: int | None = None,
        canceled_share: float | None = None,
        rescheduled_share: float | None = None,
        no_show_share: float | None = None,
        group_share: float | None = None,
        seed: int | None = None,
    ) -> dict[str, int]:
        """Make so many bookings from `start` over `days`, and return how many of what.

        60 days around today unless given; a share of 0.1 each is canceled, rescheduled (which
        counts twice) and a seat of a group, 0.05 are no-shows.
        """
        data = {name: value for name, value in locals().items() if name != "self"}
        counts: dict[str, int] = self.call("POST", "/calendly/seed_bookings", data)
        return counts

    def change_bookings(self, *, share: float = 0.5, seed: int = 2) -> dict[str, int]:
        """Change a share of the active bookings as if every webhook of it had been lost.

        Returns how many were `canceled`, `rescheduled`, marked (`no_show`) or unmarked
        (`no_show_removed`), given another `host` or `location`, or had their `answers` changed.
        """
        data = {"share": share, "seed": seed}
        counts: dict[str, int] = self.call("POST", "/calendly/change_bookings", data)
        return counts

    def erase_event(self, event: str) -> list[str]:
        """Erase a meeting as data compliance does, and return the URIs that answer 404 now."""
        erased: list[str] = self.call("POST", "/calendly/erase_event", {"event": event})["erased"]
        return erased

    def remove_member(self, user: str) -> Json:
        """Take a user out of the organization and return the membership that is gone."""
        membership: Json = self.call("POST", "/calendly/remove_member", {"user": user})
        return membership

    def delete_event_type(self, event_type: str) -> Json:
        """Delete an event type, which stays readable by its URI, and return it."""
        row: Json = self.call("POST", "/calendly/delete_event_type", {"event_type": event_type})
        return row

    def erase_event_type(self, event_type: str) -> Json:
        """Erase an event type, which answers 404 then, and return what it was."""
        row: Json = self.call("POST", "/calendly/erase_event_type", {"event_type": event_type})
        return row

    def reset_budgets(self) -> None:
        """Give every app and user a fresh request budget."""
        self.call("POST", "/calendly/reset_budgets")
