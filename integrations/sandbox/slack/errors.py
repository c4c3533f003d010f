"""Slack's refusals: HTTP 200 with `ok` false, except for limits.

Source: https://docs.slack.dev/apis/web-api/using-the-slack-web-api
"""

from integrations.sandbox.web import Json


class SlackError(Exception):
    """An error code, details for `response_metadata.messages`, and the scope that is needed."""

    def __init__(self, code: str, *, details: list[str] | None = None, needed: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.details = details or []
        self.needed = needed

    def body(self) -> Json:
        """Return the answer."""
        answer: Json = {"ok": False, "error": self.code}
        if self.details:
            answer["response_metadata"] = {"messages": [f"[ERROR] {one}" for one in self.details]}
        return answer | ({"needed": self.needed} if self.needed else {})


class RateLimited(Exception):
    """Too many messages; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after
