"""The door of the receiver: any path below its prefix is an endpoint."""

from werkzeug.wrappers import Request, Response

from integrations.sandbox.web import Json, read_object, reply
from integrations.sandbox.webhook.receiver import BadSignature, WebhookReceiver


class WebhookApi:
    """Take signed messages at every path; refuse the others as a careful receiver does."""

    def __init__(self, receiver: WebhookReceiver) -> None:
        self._receiver = receiver
        self._expired = False
        self.lock = receiver.lock

    def handle(self, request: Request, *, path: str, base: str) -> Response:
        """Take a message. The caller holds the lock."""
        if request.method != "POST":
            return self.error(request, path=path, status=405)
        if self._refuses_everybody():
            return self.error(request, path=path, status=401)
        endpoint = path.strip("/")
        if chosen := self._receiver.answers.get(endpoint):
            return reply(chosen["body"], status=chosen["status"], headers=chosen["headers"])
        return self._take(request, endpoint)

    def _refuses_everybody(self) -> bool:
        expired, self._expired = self._expired, False
        return expired or self._receiver.faults.standing(service="webhook", kind="token_revoked")

    def _take(self, request: Request, endpoint: str) -> Response:
        try:
            body = read_object(request)
            message = self._receiver.take(
                endpoint, headers=request.headers, raw=request.get_data(), body=body
            )
        except ValueError as error:
            return reply({"error": str(error)}, status=400)
        except BadSignature as error:
            return reply({"error": str(error)}, status=401)
        return reply({"taken": message["id"]})

    def rate_limited(self, request: Request, *, path: str, retry_after: float | None) -> Response:
        """Return a 429."""
        response = self.error(request, path=path, status=429)
        if retry_after is not None:
            response.headers["Retry-After"] = str(int(retry_after))
        return response

    def error(self, request: Request, *, path: str, status: int) -> Response:
        """Return an error body for a status."""
        return reply({"error": f"HTTP {status}"}, status=status)

    def injected(self, request: Request, params: Json) -> Response:
        """Return an error with a chosen status."""
        return self.error(request, path=request.path, status=int(params.get("status", 500)))

    def expire_tokens(self, request: Request) -> Response | None:
        """Refuse this one request with 401: a signing secret does not expire."""
        with self.lock:
            self._expired = True
        return None
