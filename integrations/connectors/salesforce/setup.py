"""Say what a connection's settings need of the organisation, and how to add what it lacks. Pure.

Source: https://help.salesforce.com/s/articleView?id=sf.adding_fields.htm
"""

from collections.abc import Iterator, Mapping

from integrations.connectors.base import Requirement
from integrations.connectors.salesforce.options import SalesforceSettings
from integrations.connectors.salesforce.schema import FieldType, Schema

#: Characters of a meeting's key: a UUID. More is asked for where the field is made anew.
KEY_LENGTH = 36
_FIELD_LENGTH = 255

#: Where Setup shows the fields of an object; custom fields of Event are those of Activity.
_PLACES: Mapping[str, str] = {"Event": "Activity"}


def objects(settings: SalesforceSettings) -> tuple[str, ...]:
    """Return the objects that have to be described to tell what is missing."""
    wanted = {
        "Event": True,
        "Contact": bool(settings.person_external_id_field),
        "Lead": bool(settings.person_external_id_field),
        "Case": bool(settings.case_external_id_field),
        "Account": settings.person_accounts,
        "EventRelation": settings.guests != "ignore",
    }
    return tuple(name for name, is_wanted in wanted.items() if is_wanted)


def requirements(
    settings: SalesforceSettings, schemas: Mapping[str, Schema]
) -> tuple[Requirement, ...]:
    """Return everything that the settings need, in the order in which it is set up; `schemas` are those of `objects`."""
    return tuple(_requirements(settings, schemas))


def _requirements(
    settings: SalesforceSettings, schemas: Mapping[str, Schema]
) -> Iterator[Requirement]:
    name = settings.event_external_id_field
    yield _key_field("Event", name, schemas["Event"], later=True) if name else _marker(schemas)
    for kind in ("Lead", "Contact"):
        if settings.person_external_id_field:
            yield _key_field(kind, settings.person_external_id_field, schemas[kind], later=False)
    if settings.case_external_id_field:
        yield _key_field("Case", settings.case_external_id_field, schemas["Case"], later=True)
    if settings.person_accounts:
        yield _person_accounts(schemas["Account"])
    if settings.guests != "ignore":
        yield _shared_activities(settings, schemas["EventRelation"])


def _key_field(kind: str, name: str, schema: Schema, *, later: bool) -> Requirement:
    """Judge a field that holds the meeting's key; `later` says that it is written to records that exist, too."""
    detail = _trouble(schema.find(name), later=later)
    return Requirement(
        name=f"{kind}.{name}",
        ok=not detail,
        detail=detail or "There, External ID and unique, and the integration user may write it.",
        hint=_how_to_add(kind, name, setting=_setting(kind)) if detail else "",
    )


def _trouble(field: FieldType | None, *, later: bool) -> str:
    """Return why a field cannot hold the meeting's key, all of it in one sentence; nothing when it can."""
    if field is None:
        return "Missing, or hidden from the integration user."
    faults = [
        fault
        for fault, is_so in (
            (f"is no text ({field.in_words})", field.type != "string"),
            ("is not an External ID", not field.external_id),
            ("is not unique", not field.unique),
            (f"is too short ({field.length} of {KEY_LENGTH})", 0 < field.length < KEY_LENGTH),
            ("may not be edited by the integration user", not _is_editable(field, later=later)),
        )
        if is_so
    ]
    return f"The field {', '.join(faults)}." if faults else ""


def _is_editable(field: FieldType, *, later: bool) -> bool:
    return field.createable and (field.updateable or not later)


def _setting(kind: str) -> str:
    settings = {"Event": "event_external_id_field", "Case": "case_external_id_field"}
    return settings.get(kind, "person_external_id_field")


def _how_to_add(kind: str, name: str, *, setting: str) -> str:
    place = _PLACES.get(kind, kind)
    label = name.removesuffix("__c")
    without = (
        "Calsync then recognises its Events by a line in the description"
        if kind == "Event"
        else "people are then found without it"
    )
    return (
        f"Add the field: Setup > Object Manager > {place} > Fields & Relationships > New > Text. Length {_FIELD_LENGTH}, "
        f"field name {label}, tick External ID and Unique. Let the integration user read and edit it (field-level security, or "
        f"its permission set). Or empty the setting {setting}: {without}."
    )


def _marker(schemas: Mapping[str, Schema]) -> Requirement:
    """Judge the Description of Event, by which an Event is recognised where no field holds the key."""
    field = schemas["Event"].find("Description")
    is_fine = field is not None and _is_editable(field, later=True)
    return Requirement(
        name="Event.Description",
        ok=is_fine,
        detail="Holds the line by which Calsync recognises its Events, for no field is set to."
        if is_fine
        else "Hidden from the integration user, or not editable.",
        hint=""
        if is_fine
        else "Let the integration user edit Description of Event (field-level security), or set event_external_id_field.",
    )


def _person_accounts(schema: Schema) -> Requirement:
    is_fine = schema.find("IsPersonAccount") is not None
    return Requirement(
        name="Account.IsPersonAccount",
        ok=is_fine,
        detail="Person Accounts are enabled." if is_fine else "Person Accounts are not enabled.",
        hint=""
        if is_fine
        else "Enable Person Accounts (Setup > Account Settings), which cannot be undone; or set person_accounts to "
        "false. If they are enabled, let the integration user see Accounts.",
    )


def _shared_activities(settings: SalesforceSettings, schema: Schema) -> Requirement:
    """Judge whether guests can be related: Leads only with Shared Activities, which nothing else tells."""
    is_on = schema.find("IsInvitee") is not None
    makes_leads = settings.guests == "create" and settings.create == "lead"
    enable = (
        "Setup > Activity Settings > Allow Users to Relate Multiple Contacts to Tasks and Events"
    )
    without = "set create to contact, or guests to relate" if makes_leads else "leave it"
    return Requirement(
        name="Shared Activities",
        ok=is_on or not makes_leads,
        detail="On: Contacts and Leads can be guests of one Event."
        if is_on
        else "Off: guests who are Leads cannot be related to an Event, Contacts can.",
        hint="" if is_on else f"Enable it ({enable}), or {without}.",
    )
