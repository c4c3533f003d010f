"""The subcommands of `manage.py rule`, a module each, in the order in which a rule meets them.

A module has `NAME`, `HELP`, `add_arguments(parser)` and `handle(command, options)`, and a place in `SUBCOMMANDS`.
"""

from types import ModuleType

from integrations.management.rule import (
    disable,
    enable,
    export,
    load,
    recipes,
    show,
    simulate,
    test,
)

SUBCOMMANDS: tuple[ModuleType, ...] = (show, test, simulate, enable, disable, export, load, recipes)
