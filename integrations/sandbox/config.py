"""Settings of a running sandbox; the control API changes them, a reset restores them."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any


class UnknownSetting(ValueError):
    """A setting that does not exist, or a value of the wrong type."""


@dataclass
class SandboxConfig:
    """Hold limits, credentials and timings. Durations are seconds."""

    calendly_uri_base: str = "https://api.calendly.com"
    calendly_requests_per_minute: int = 500
    calendly_bookings_per_minute: int = 10
    calendly_tokens_per_minute: int = 8
    calendly_access_token_seconds: float = 7200
    calendly_code_seconds: float = 600
    calendly_client_id: str = "sandbox-client"
    calendly_client_secret: str = "sandbox-secret"
    calendly_app_signing_key: str = "sandbox-app-signing-key"
    calendly_conference_delay: float = 0
    calendly_plan_allows_webhooks: bool = True

    webhook_retry_base: float = 2
    webhook_give_up_after: float = 24 * 3600
    webhook_connect_timeout: float = 10
    webhook_read_timeout: float = 15
    webhook_new_timestamp_on_retry: bool = True

    salesforce_client_id: str = "sandbox-salesforce-client"
    salesforce_client_secret: str = "sandbox-salesforce-secret"
    salesforce_refresh_token: str = "sandbox-salesforce-refresh"
    salesforce_jwt_public_key: str = ""
    salesforce_rotate_refresh_tokens: bool = False
    salesforce_secret_required: bool = True
    salesforce_callback_urls: str = ""
    salesforce_scopes: str = "api refresh_token id"
    salesforce_code_seconds: float = 600
    salesforce_run_as: bool = True
    salesforce_instance_url: str = ""
    salesforce_daily_limit: int = 15000
    salesforce_query_page: int = 2000
    salesforce_duplicate_rule: str = "off"
    salesforce_assignment_owner: str = ""

    slack_bot_token: str = "xoxb-sandbox"
    slack_client_id: str = "sandbox-slack-client"
    slack_client_secret: str = "sandbox-slack-secret"
    slack_signing_secret: str = "sandbox-slack-signing-secret"
    slack_interactivity_url: str = ""
    slack_scopes: str = (
        "chat:write,channels:read,channels:join,channels:history,groups:history,users:read,users:read.email,"
        "im:write,im:history"
    )
    slack_rotate_tokens: bool = False
    slack_channel_limit: bool = False
    slack_write_public: bool = False

    receiver_secret: str = "whsec_c2FuZGJveC1zaWduaW5nLXNlY3JldC0wMDAx"
    rest_token: str = "sandbox-rest-token"
    rest_username: str = "sandbox-rest-user"
    rest_password: str = "sandbox-rest-password"
    rest_api_key: str = "sandbox-rest-api-key"
    rest_client_id: str = "sandbox-rest-client"
    rest_client_secret: str = "sandbox-rest-secret"
    rest_token_seconds: float = 3600
    rest_honours_keys: bool = False
    rest_brevo_key: str = "xkeysib-sandbox"
    rest_vitally_key: str = "sk_live_sandbox"
    rest_lever_key: str = "sandbox-lever-key"
    mail_username: str = "sandbox-mail"
    mail_password: str = "sandbox-mail-password"
    mail_requires_login: bool = True
    mail_size_limit: int = 10_000_000

    request_log_size: int = 20000
    delivery_log_size: int = 20000

    _initial: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Remember the values given at the start."""
        self._initial = self.as_dict()

    def as_dict(self) -> dict[str, Any]:
        """Return every setting by name."""
        return {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if not item.name.startswith("_")
        }

    def change(self, values: dict[str, Any]) -> None:
        """Set the named settings. Raises UnknownSetting and then changes nothing."""
        known = self.as_dict()
        for name, value in values.items():
            if name not in known:
                raise UnknownSetting(f"there is no setting {name!r}")
            if not _fits(value, known[name]):
                raise UnknownSetting(f"{name} wants a {type(known[name]).__name__}, not {value!r}")
        for name, value in values.items():
            setattr(self, name, value)

    def restore(self) -> None:
        """Set everything back to the values of the start."""
        for name, value in self._initial.items():
            setattr(self, name, value)


def _fits(value: Any, current: Any) -> bool:
    if isinstance(current, bool) or isinstance(value, bool):
        return type(value) is type(current)
    if isinstance(current, int | float):
        return isinstance(value, int | float)
    return isinstance(value, type(current))
