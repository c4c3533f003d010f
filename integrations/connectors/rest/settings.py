"""What staff can set on a connection: where the interface is, and how it wants to be told who calls."""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from integrations import guard
from integrations.options import Options

#: What a recipe leaves for staff to fill in.
PLACEHOLDER = "CHANGE-ME"

_ADDRESS = r"^https?://[^/?#@\s]+(/[^?#\s]*)?$"
_TOKEN_NAME = r"^([A-Za-z][A-Za-z0-9-]{0,60})?$"  # noqa: S105 - what a header may be called

Auth = Literal["none", "bearer", "basic", "header", "oauth2_client_credentials"]

SECRETS: Mapping[str, str] = {
    "token": "For Bearer: the token or API key.",
    "username": "For Basic: the user, or the API key where it takes the user's place.",
    "password": "For Basic: the password; empty where there is none.",
    "header_value": "For a header of its own: the API key, exactly as the header has to hold it.",
    "client_id": "For a token that is fetched.",
    "client_secret": "For a token that is fetched.",
}
#: The secrets that each way to say who calls cannot do without.
NEEDED_SECRETS: Mapping[str, Sequence[str]] = {
    "bearer": ("token",),
    "basic": ("username",),
    "header": ("header_value",),
    "oauth2_client_credentials": ("client_id", "client_secret"),
}


class RestSettings(Options):
    """Settings of a connection to one REST interface."""

    sections: ClassVar[Mapping[str, Sequence[str]]] = {
        "A token that is fetched with client id and secret": (
            "token_url",
            "client_auth",
            "scope",
            "audience",
        )
    }
    choice_labels: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "auth": {
            "none": "Not at all", "bearer": "A token or API key (Bearer)", "basic": "User and password (Basic)",
            "header": "An API key in a header of its own",
            "oauth2_client_credentials": "A token that is fetched (OAuth 2 client credentials)",
        },
        "client_auth": {"basic": "In the Authorization header", "body": "In the form"},
    }  # fmt: skip

    base_url: str = Field(
        pattern=_ADDRESS,
        description="Where every path begins, such as https://api.example.com/v1. Secrets go to this host and the token URL's alone",
    )
    auth: Auth = Field(
        title="How each request says who calls",
        default="bearer",
        description="Its secrets are entered below",
    )
    header_name: str = Field(
        default="",
        title="Name of the header",
        pattern=_TOKEN_NAME,
        validate_default=True,
        description="With an API key in a header: what it is called, such as X-Api-Key",
    )
    token_url: str = Field(
        default="",
        pattern=rf"({_ADDRESS})|^$",
        validate_default=True,
        description="With a token that is fetched: where tokens are given",
    )
    scope: str = Field(default="", max_length=500, description="If one is needed")
    audience: str = Field(default="", max_length=500, description="If one is needed")
    client_auth: Literal["basic", "body"] = Field(
        default="basic",
        description="Where client id and secret go",
    )
    check_path: str = Field(
        default="",
        pattern=r"^(/[^?#\s]*)?$",
        description="A path that can be read without doing anything, such as /me: Test connection asks for it",
    )

    @field_validator("base_url", "token_url")
    @classmethod
    def _is_filled_in(cls, value: str) -> str:
        if PLACEHOLDER in value:
            raise ValueError(f"put your own value in place of {PLACEHOLDER}")
        if re.search(r"(^|/)\.\.?(/|$)", urlsplit(value).path):
            raise ValueError("write the path without dots")
        return guard.checked_url(value) if value else value

    @field_validator("header_name")
    @classmethod
    def _header_has_a_name(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "header" and not value:
            raise ValueError("is needed with the auth header")
        return value

    @field_validator("token_url")
    @classmethod
    def _tokens_come_from_somewhere(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "oauth2_client_credentials" and not value:
            raise ValueError("is needed with the auth oauth2_client_credentials")
        return value
