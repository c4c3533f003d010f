"""A local Calendly and what Calsync writes to in one process, with switches for their faults."""

from integrations.sandbox.config import SandboxConfig
from integrations.sandbox.control_client import SandboxControl, SandboxControlError
from integrations.sandbox.server import SandboxServer, SandboxUnavailable

__all__ = [
    "SandboxConfig",
    "SandboxControl",
    "SandboxControlError",
    "SandboxServer",
    "SandboxUnavailable",
]
