"""Everything a sandbox holds, in memory."""

from collections.abc import Callable

from integrations.sandbox.calendly.api import CalendlyApi
from integrations.sandbox.calendly.oauth import CalendlyAuth
from integrations.sandbox.calendly.world import CalendlyWorld
from integrations.sandbox.clock import Clock
from integrations.sandbox.config import SandboxConfig
from integrations.sandbox.faults import FaultBoard
from integrations.sandbox.log import RequestLog
from integrations.sandbox.mail.mailbox import Mailbox
from integrations.sandbox.rest.api import RestApi
from integrations.sandbox.rest.world import RestWorld
from integrations.sandbox.salesforce.api import SalesforceApi
from integrations.sandbox.salesforce.org import SalesforceOrg
from integrations.sandbox.service import Fake, Service
from integrations.sandbox.slack.api import SlackApi
from integrations.sandbox.slack.workspace import SlackWorkspace
from integrations.sandbox.webhook.api import WebhookApi
from integrations.sandbox.webhook.receiver import WebhookReceiver

#: Fakes of further connectors, one line each: the service's name, and what makes it.
FAKES: dict[str, Callable[[FaultBoard], Fake]] = {}


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
        self.webhook = WebhookReceiver(config=config, clock=self.clock, faults=self.faults)
        self.rest = RestWorld(config=config, clock=self.clock, faults=self.faults)
        self.mail = Mailbox(config=config, clock=self.clock, faults=self.faults)
        self.services: dict[str, Service] = {
            "calendly": CalendlyApi(self.calendly),
            "calendly-auth": CalendlyAuth(self.calendly),
            "rest": RestApi(self.rest),
            "salesforce": SalesforceApi(self.salesforce),
            "slack": SlackApi(self.slack),
            "webhook": WebhookApi(self.webhook),
        }
        self._fakes = {name: make(self.faults) for name, make in FAKES.items()}
        for name, fake in self._fakes.items():
            self.install(name, fake)

    def install(self, name: str, service: Service) -> None:
        """Serve a further service under `/name`, and let its requests go wrong on request."""
        self.services[name] = service
        self.faults.know(name)

    def reset(self) -> None:
        """Bring back the seeds, clear faults and logs, restore the settings."""
        self.config.restore()
        self.faults.clear()
        self.log.clear()
        self.calendly.reset()
        self.salesforce.reset()
        self.slack.reset()
        self.mail.reset()
        self.webhook.reset()
        self.rest.reset()
        for fake in self._fakes.values():
            fake.reset()
