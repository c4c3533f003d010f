"""The client's part for the receiver of signed messages."""

from typing import Any

from integrations.sandbox.control_client_base import ControlConnection, Json


class WebhookControl(ControlConnection):
    """Look at what a receiver took, and choose how it answers."""

    def webhook_messages(self, endpoint: str | None = None) -> list[Json]:
        """Return the messages that were taken, oldest first, of one endpoint or all."""
        rows: list[Json] = self.call("GET", "/webhook/messages", {"endpoint": endpoint})
        return rows

    def webhook_answer(self, endpoint: str, status: int | None = None, **more: Any) -> Json:
        """Have an endpoint answer with a status (`headers`, `body`) and take nothing; without one it takes again."""
        chosen: Json = self.call(
            "POST", "/webhook/answer", {"endpoint": endpoint, "status": status, **more}
        )
        return chosen
