"""Rules by their names."""

from django.core.management.base import CommandError

from integrations.models import Rule


def find(name: str) -> Rule:
    """Return the rule of this name. Raises CommandError with the names that there are."""
    rows = Rule.objects.select_related("connection", "late_rule__connection")
    found = rows.filter(name=name).first()
    if found is None:
        names = ", ".join(f"“{rule}”" for rule in rows) or "none yet"
        raise CommandError(f"No rule is called “{name}”. There are: {names}.")
    return found
