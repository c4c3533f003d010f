"""Everything a sandbox holds, in memory."""

from integrations.sandbox.calendly.api import CalendlyApi
from integrations.sandbox.calendly.oauth import CalendlyAuth
from integrations.sandbox.calendly.world import CalendlyWorld
from integrations.sandbox.clock import Clock
from integrations.sandbox.config import SandboxConfig
from integrations.sandbox.faults import FaultBoard
from integrations.sandbox.log import RequestLog
from integrations.sandbox.salesforce.api import SalesforceApi
from integrations.sandbox.salesforce.org import SalesforceOrg
from integrations.sandbox.service import Service
from integrations.sandbox.slack.api import SlackApi
from integrations.sandbox.slack.workspace import SlackWorkspace


class SandboxState:
    """Join the services with what they share: settings, clock, faults and log."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.clock = Clock()
        self.faults = FaultBoard()
        self.log = RequestLog(size=config.request_log_size)
        self.calendly = CalendlyWorld(config=config, clock=self.clock, faults=self.faults)
        self.salesforce = SalesforceOrg(config=config, clock=self.clock, faults=self.faults)
        self.slack = SlackWorkspace(config=config, clock=self.clock, faults=self.faults)
        self.services: dict[str, Service] = {
            "calendly": CalendlyApi(self.calendly),
            "calendly-auth": CalendlyAuth(self.calendly),
            "salesforce": SalesforceApi(self.salesforce),
            "slack": SlackApi(self.slack),
        }

    def reset(self) -> None:
        """Bring back the seeds, clear faults and logs, restore the settings."""
        self.config.restore()
        self.faults.clear()
        self.log.clear()
        self.calendly.reset()
        self.salesforce.reset()
        self.slack.reset()
