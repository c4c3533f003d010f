"""The subcommands of `manage.py calendly`, a module each.

A module has `NAME`, `HELP`, `add_arguments(parser)` and `handle(command, options)`, and a place in `SUBCOMMANDS`.
"""

from types import ModuleType

from integrations.management.calendly import (
    connect,
    disconnect,
    rotate_key,
    status,
    subscribe,
    subscriptions,
    test,
    unsubscribe,
)

SUBCOMMANDS: tuple[ModuleType, ...] = (
    connect, status, subscribe, subscriptions, test, rotate_key, unsubscribe, disconnect,
)  # fmt: skip
