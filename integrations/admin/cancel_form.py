"""The form that asks why a booking is canceled, and whether it is meant."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

#: The longest reason that Calendly takes, in characters.
LONGEST_REASON = 10_000


class CancelForm(forms.Form):
    """Take the reason; where several lose their place, that this is known has to be said, too."""

    reason = forms.CharField(
        required=False,
        max_length=LONGEST_REASON,
        label="Reason",
        help_text="Calendly sends it to everybody who booked, and to the host. It may stay empty.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )

    def __init__(self, *args: Any, attending: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if attending > 1:
            self.fields["understood"] = forms.BooleanField(
                label=f"Cancel it for all {attending} invitees",
                error_messages={"required": f"Tick this: all {attending} invitees lose their place."},
            )  # fmt: skip
