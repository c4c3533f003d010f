"""The workspace: people, channels, messages and incoming webhooks."""

import threading
import time
from datetime import datetime

from integrations.sandbox.clock import Clock
from integrations.sandbox.config import SandboxConfig
from integrations.sandbox.faults import FaultBoard
from integrations.sandbox.slack.errors import RateLimited, SlackError
from integrations.sandbox.web import Json

TEAM = "T0SANDBOX"
BOT_USER = "U0SANDBOT"
BOT = "B0SANDBOX"
APP = "A0SANDBOX"
CREATED = 1_704_704_400
PEOPLE = [
    ("U0OLIVIA1", "olivia", "Olivia Owens", "olivia@harbor.example"),
    ("U0ADAM001", "adam", "Adam Adler", "adam@harbor.example"),
    ("U0UMA0001", "uma", "Uma Underwood", "uma@harbor.example"),
]
CHANNELS: list[tuple[str, str, Json]] = [
    ("C0SALES01", "sales", {}),
    ("C0CONSULT", "consulting", {}),
    ("C0RECRUIT", "recruiting", {}),
    ("C0ARCHIVE", "archived", {"is_archived": True}),
    ("C0PUBLIC1", "public-not-joined", {"is_member": False}),
    ("C0PRIVATE", "private-not-joined", {"is_member": False, "is_private": True}),
]
HOOKS = {
    f"{TEAM}/B0HOOK001/sandbox-sales": "C0SALES01",
    f"{TEAM}/B0HOOK002/sandbox-recruiting": "C0RECRUIT",
    f"{TEAM}/B0HOOK003/sandbox-archived": "C0ARCHIVE",
}


class SlackWorkspace:
    """Hold the workspace. Callers hold the lock."""

    users: dict[str, Json]
    channels: dict[str, Json]
    messages: dict[str, list[Json]]
    hooks: dict[str, str]
    #: Token -> its scopes, separated by commas; those of the settings where it names none.
    tokens: dict[str, str]
    #: Codes of installations that were allowed and not exchanged yet.
    codes: dict[str, Json]
    #: Addresses where a press may be answered.
    answers: dict[str, Json]
    #: What only one person sees.
    whispers: list[Json]

    def __init__(self, *, config: SandboxConfig, clock: Clock, faults: FaultBoard) -> None:
        self.config = config
        self.clock = clock
        self.faults = faults
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Bring back the seeds and forget every message."""
        with self.lock:
            self.users = {key: _user(key, *rest) for key, *rest in PEOPLE}
            self.users[BOT_USER] = _user(BOT_USER, "calsync", "Calsync", None, is_bot=True)
            self.channels = {}
            self.messages = {}
            for key, name, more in CHANNELS:
                self.add_channel(key, name, **more)
            self.hooks = dict(HOOKS)
            self.tokens = {self.config.slack_bot_token: ""}
            self.codes, self.answers, self.whispers = {}, {}, []
            self._posted_at: dict[str, float] = {}

    def add_channel(self, key: str, name: str, **more: bool | str) -> Json:
        """Add a channel that the bot is a member of, unless told otherwise."""
        self.channels[key] = {
            "id": key,
            "name": name,
            "is_channel": True,
            "is_im": False,
            "is_private": False,
            "is_archived": False,
            "is_member": True,
            "created": CREATED,
            "creator": PEOPLE[0][0],
            "num_members": 4,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            **more,
        }
        self.messages[key] = []
        return self.channels[key]

    def channel(self, given: str, *, by_name: bool = False) -> Json:
        """Return a channel that the bot can see. Raises SlackError channel_not_found."""
        found = self.channels.get(given)
        if found is None and by_name:
            name = given.removeprefix("#")
            found = next((row for row in self.channels.values() if row["name"] == name), None)
        if found is None or (found["is_private"] and not found["is_member"]):
            raise SlackError("channel_not_found")
        return found

    def direct_channel(self, user: str) -> Json:
        """Return the direct channel with a person. Raises SlackError user_not_found."""
        if user not in self.users:
            raise SlackError("user_not_found")
        key = "D" + user[1:]
        if key not in self.channels:
            self.add_channel(key, "", is_channel=False, is_im=True, user=user)
        return self.channels[key]

    def destination(self, given: str) -> Json:
        """Return where a message may be posted. Raises SlackError."""
        if given in self.users:
            return self.direct_channel(given)
        found = self.channel(given, by_name=True)
        if found["is_archived"]:
            raise SlackError("is_archived")
        if not found["is_member"] and not self.config.slack_write_public:
            raise SlackError("not_in_channel")
        return found

    def pace(self, channel: str) -> None:
        """Hold a channel to one message a second, if that is switched on. Raises RateLimited."""
        now = time.monotonic()
        if self.config.slack_channel_limit and now - self._posted_at.get(channel, -1.0) < 1:
            raise RateLimited(1)
        self._posted_at[channel] = now

    def post(self, channel: str, content: Json, *, thread_ts: str | None = None) -> Json:
        """Add a message and return it; a reply also moves its parent's counters."""
        message: Json = {"type": "message", "team": TEAM, "ts": self.new_ts(), **content}
        if thread_ts:
            message["thread_ts"] = thread_ts
            self._count_reply(channel, message)
        self.messages[channel].append(message)
        return message

    def _count_reply(self, channel: str, reply: Json) -> None:
        parent = self.message(channel, reply["thread_ts"])
        if parent is not None:
            parent["thread_ts"] = parent["ts"]
            parent["reply_count"] = parent.get("reply_count", 0) + 1
            parent["latest_reply"] = reply["ts"]

    def message(self, channel: str, ts: str) -> Json | None:
        """Return a message by its timestamp."""
        return next((row for row in self.messages[channel] if row["ts"] == ts), None)

    def whisper(self, *, channel: str, user: str, text: str, via: str) -> Json:
        """Show one person a message that nobody else sees, and return it."""
        said = {"channel": channel, "user": user, "text": text, "via": via, "ts": self.new_ts()}
        self.whispers.append(said)
        return said

    def new_ts(self) -> str:
        """Return a timestamp that no other message has."""
        return slack_ts(self.clock.now())


def slack_ts(instant: datetime) -> str:
    """Write an instant as Slack numbers its messages."""
    return f"{int(instant.timestamp())}.{instant.microsecond:06d}"


def _user(key: str, name: str, real_name: str, email: str | None, *, is_bot: bool = False) -> Json:
    return {
        "id": key,
        "team_id": TEAM,
        "name": name,
        "real_name": real_name,
        "deleted": False,
        "is_bot": is_bot,
        "tz": "Europe/London",
        "profile": {"real_name": real_name, "display_name": name, "email": email},
    }
