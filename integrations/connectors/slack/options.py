"""What staff can set: on the connection, and on a rule."""

from pydantic import Field

from integrations.connectors.base import Options


class SlackSettings(Options):
    """A connection to Slack has no settings but its token, which is a secret."""


class SlackOptions(Options):
    """Options of a rule that posts to Slack."""

    channel: str = Field(
        pattern=r"^(#[^\s#@<>|]{1,80}|[CG][A-Z0-9]{5,20})$",
        description="Channel id, such as C0123456789, or #name.",
    )
    mask_email: bool = Field(default=True, description="Show j***@example.com.")
    show_answers: bool = Field(
        default=False, description="Show the answers to the booking form's questions."
    )
