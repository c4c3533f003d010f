"""What fields that search while one types are offered, with people covered for who may not see them."""

from typing import Any

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.db.models import Model

from bookings.browsing import label


class AutocompleteView(AutocompleteJsonView):
    """Answer in the admin's place, at its own address."""

    def serialize_result(self, obj: Model, to_field_name: str) -> dict[str, Any]:
        """Name a row as this person may see it."""
        key = str(getattr(obj, to_field_name))
        return {"id": key, "text": label(obj, self.request)}
