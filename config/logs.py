"""What may not reach a log line."""

from structlog.typing import EventDict, WrappedLogger


def drop_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop the request that Django attaches: its text holds the query, and with it a code of OAuth."""
    event.pop("request", None)
    return event
