"""A connector for the admin's forms: every sort of setting, and a check that answers by its key."""

from typing import ClassVar, Literal

from pydantic import Field

from integrations.connectors.base import (
    Applied,
    Connector,
    Decision,
    Forget,
    Remember,
    Send,
    Skip,
    Task,
)
from integrations.errors import ConfigurationError
from integrations.options import Options


class Settings(Options):
    base_url: str = Field(description="Where it lives.")
    pages: int = Field(default=10, ge=1)


class RuleOptions(Options):
    channel: str


class ListOptions(Options):
    list_id: str = Field(description="The list.")
    at: Literal["top", "end"] = "end"


class FakeConnector(Connector):
    label = "Fake CRM"
    actions: ClassVar = {"write": "Write it", "add": "Add it to a list"}
    settings_model = Settings
    options_model = RuleOptions
    secret_fields: ClassVar = {"api_key": "The API key.", "other_key": "Another key."}

    @classmethod
    def options_for(cls, action: str) -> type[Options]:
        return ListOptions if action == "add" else cls.options_model

    def plan(self, task: Task) -> Decision:
        return Skip(reason="never")

    def apply(self, task: Task, decision: Send, *, remember: Remember, forget: Forget) -> Applied:
        return Applied(summary="done")

    def check(self) -> Applied:
        if self.account.secrets["api_key"] != "right":
            raise ConfigurationError("The key was refused.", hint="Enter it again.")
        return Applied(summary="Signed in as Calsync.")
