"""What staff can set: on the connection, and on a rule."""

from pydantic import Field, field_validator

from integrations import guard
from integrations.options import Options


class WebhookSettings(Options):
    """Where the messages go."""

    url: str = Field(description="Address that takes the messages, https://example.com/hook.")

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        return guard.checked_url(url)


class WebhookOptions(Options):
    """Options of a rule that sends events: what may leave the house."""

    include_contact: bool = Field(
        default=True,
        description="Send the invitee's name, address, phone and links, the place in words, the guests, who canceled and why.",
    )
    include_answers: bool = Field(
        default=True, description="Send the answers to the booking form's questions."
    )
