"""The subcommands of `manage.py salesforce`, a module each.

A module has `NAME`, `HELP`, `add_arguments(parser)` and `handle(command, options)`, and a place in `SUBCOMMANDS`.
"""

from types import ModuleType

from integrations.management.salesforce import setup

SUBCOMMANDS: tuple[ModuleType, ...] = (setup,)
