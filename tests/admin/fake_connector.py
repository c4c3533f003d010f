"""A connector for the admin's forms: every sort of setting, and a check that answers by its key."""

from typing import ClassVar

from pydantic import Field

from integrations.connectors.base import (
    Applied,
    Connector,
    Decision,
    Forget,
    Options,
    Remember,
    Send,
    Skip,
    Task,
)
from integrations.errors import ConfigurationError


class Settings(Options):
    base_url: str = Field(description="Where it lives.")
    pages: int = Field(default=10, ge=1)


class RuleOptions(Options):
    channel: str


class FakeConnector(Connector):
    label = "Fake CRM"
    actions: ClassVar = {"write": "Write it"}
    settings_model = Settings
    options_model = RuleOptions
    secret_fields: ClassVar = {"api_key": "The API key.", "other_key": "Another key."}

    def plan(self, task: Task) -> Decision:
        return Skip(reason="never")

    def apply(self, task: Task, decision: Send, *, remember: Remember, forget: Forget) -> Applied:
        return Applied(summary="done")

    def check(self) -> Applied:
        if self.account.secrets["api_key"] != "right":
            raise ConfigurationError("The key was refused.", hint="Enter it again.")
        return Applied(summary="Signed in as Calsync.")
