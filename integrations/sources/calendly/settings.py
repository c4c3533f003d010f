"""What staff can set on a connection to Calendly."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from integrations.sources.base import SourceSettings

_GROUP = r"^(https://api\.calendly\.com/groups/[A-Za-z0-9_-]+)?$"


class CalendlySettings(SourceSettings):
    """Settings of a connection to Calendly; each has a default that suits most."""

    choice_labels: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "scope": {
            "auto": "As far as the account sees", "organization": "The organization's", "user": "The user's own",
            "group": "A group's",
        }
    }  # fmt: skip

    scope: Literal["auto", "organization", "user", "group"] = Field(
        title="Whose bookings",
        default="auto",
        description=(
            "Whose bookings are mirrored: the organization's, the user's own, or a group's. "
            "As far as the account sees is the organization's for an owner or admin, else the user's own"
        ),
    )
    group: str = Field(
        default="",
        pattern=_GROUP,
        validate_default=True,
        description="URI of the group, https://api.calendly.com/groups/...; needed where a group's bookings are mirrored",
    )
    routing_forms: bool = Field(
        default=True, description="Mirror routing forms and their submissions."
    )

    @field_validator("group")
    @classmethod
    def _group_fits_scope(cls, group: str, info: ValidationInfo) -> str:
        if info.data.get("scope") == "group" and not group:
            raise ValueError("is needed with the scope group")
        return group
