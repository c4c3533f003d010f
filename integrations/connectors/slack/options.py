"""What staff can set: on the connection, and on a rule."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from integrations.options import Options

#: Stands for a direct message to each host of the meeting.
HOST = "@host"
_CHANNEL = re.compile(r"#[^\s#@<>|]{1,80}|[CG][A-Z0-9]{5,20}")
_MOST_ROUTES = 20
_CRITERIA = ("event_type", "host", "team", "question")


def _place(value: str) -> str:
    if value in {"", HOST} or _CHANNEL.fullmatch(value):
        return value
    raise ValueError(
        f"{value!r} is no place in Slack: write #name, a channel's id such as C0123456789, or @host"
    )


def _channel(value: str) -> str:
    if _CHANNEL.fullmatch(value):
        return value
    raise ValueError(f"{value!r} is no channel: write #name, or a channel's id such as C0123456789")


def _some_place(value: str) -> str:
    if value:
        return value
    raise ValueError("say where the card goes: #name, a channel's id, or @host")


Place = Annotated[str, AfterValidator(_place)]
Words = Annotated[str, Field(max_length=1_000)]


class SlackSettings(Options):
    """A connection to Slack has no settings but its token or webhook, which are secrets."""


class When(Options):
    """Say which meetings a route is for: one thing to look at, compared without regard to case and blanks."""

    event_type: Words = ""
    host: Words = ""
    team: Words = ""
    question: Words = ""
    answer: Words = ""
    contains: Words = ""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        given = [name for name in _CRITERIA if getattr(self, name).strip()]
        if len(given) != 1:
            raise ValueError(
                "give one of event_type (name, slug or URI), host (e-mail address), team (Calendly group), "
                "or question with answer or contains; for more, write another route"
            )
        said = [name for name in ("answer", "contains") if getattr(self, name).strip()]
        if given == ["question"] and len(said) != 1:
            raise ValueError(
                "a question needs either answer (what it is) or contains (what is in it)"
            )
        if given != ["question"] and said:
            raise ValueError(f"{said[0]} belongs to a question: name the question too")
        return self


class Route(Options):
    """Send the card of some meetings to a place of their own."""

    when: When
    channel: Annotated[str, AfterValidator(_place), AfterValidator(_some_place)]


class SlackNoticeOptions(Options):
    """Where a digest or an alert is posted."""

    channel: Annotated[str, AfterValidator(_channel)] = Field(
        description="Channel id, such as C0123456789, or #name; with an incoming webhook, the name of its own channel."
    )


class SlackOptions(Options):
    """Options of a rule that posts to Slack."""

    channel: Place = Field(
        default="",
        description="Where the card goes when no route fits: #name, a channel's id such as C0123456789, or @host for "
        "a direct message to the host; may be empty where there are routes.",
    )
    routes: tuple[Route, ...] = Field(
        default_factory=tuple,
        max_length=_MOST_ROUTES,
        examples=[[{"when": {"event_type": "Demo"}, "channel": "#demos"}]],
        description="Other places for some meetings; each that fits gets a card. When is one of event_type (name, slug or URI), host (e-mail address), team (Calendly "
        "group), or question with answer or contains.",
    )
    mask_email: bool = Field(
        title="Mask the address", default=True, description="Show j***@example.com."
    )
    show_answers: bool = Field(
        default=False, description="Show the answers to the booking form's questions."
    )
    show_utm: bool = Field(
        title="Show UTM parameters",
        default=False,
        description="Show the UTM parameters of the booking link.",
    )
    mention_host: bool = Field(
        default=False, description="Mention the host, found in Slack by e-mail address."
    )
    broadcast: bool = Field(
        title="Tell changes in the channel",
        default=False,
        description="Show the thread's line of a reschedule or cancellation in the channel too.",
    )

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if not self.channel and not self.routes:
            raise ValueError("say where the card goes: give a channel, or routes")
        return self
