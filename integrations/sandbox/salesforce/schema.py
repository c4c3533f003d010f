"""Objects and fields of the sandbox's org, and their describe answers.

Source: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/
"""

from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.web import Json

EXTERNAL_ID = "Calendly_Invitee_UUID__c"


@dataclass(frozen=True, kw_only=True)
class Field:
    """Describe one field. `required` is what a create must bring; `inactive` are retired values of a picklist."""

    name: str
    type: str = "string"
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    createable: bool = True
    updateable: bool = True
    external_id: bool = False
    unique: bool = False
    restricted: bool = False
    choices: tuple[str, ...] = ()
    inactive: tuple[str, ...] = ()
    refers_to: tuple[str, ...] = ()
    default: Any = None

    def describe(self) -> Json:
        """Return the field as a describe answer lists it."""
        return {
            "name": self.name,
            "label": self.label or self.name.removesuffix("__c").replace("_", " "),
            "type": self.type,
            "length": self.length,
            "precision": 0 if self.type == "int" else self.precision,
            "scale": self.scale,
            "digits": self.precision if self.type == "int" else 0,
            "nillable": not self.required and self.type != "boolean",
            "createable": self.createable,
            "updateable": self.updateable,
            "defaultedOnCreate": self.default is not None or self.type == "boolean",
            "externalId": self.external_id,
            "idLookup": self.external_id or self.name == "Id",
            "unique": self.unique,
            "custom": self.name.endswith("__c"),
            "restrictedPicklist": self.restricted,
            "picklistValues": [
                {"active": choice in self.choices, "defaultValue": choice == self.default}
                | {"label": choice, "validFor": None, "value": choice}
                for choice in (*self.choices, *self.inactive)
            ],
            "referenceTo": list(self.refers_to),
        }


@dataclass
class ObjectType:
    """Describe an object. Fields are found by name in any spelling of case."""

    name: str
    prefix: str
    fields: dict[str, Field] = field(default_factory=dict)

    def add(self, item: Field) -> None:
        """Add or replace a field."""
        self.fields[item.name.lower()] = item

    def find(self, name: str) -> Field | None:
        """Return a field by its name in any case."""
        return self.fields.get(name.lower())

    def describe(self) -> Json:
        """Return the describe answer."""
        return self.summary() | {"fields": [item.describe() for item in self.fields.values()]}

    def summary(self) -> Json:
        """Return the object as the list of objects shows it."""
        base = f"/sobjects/{self.name}"
        return {
            "name": self.name,
            "label": self.name,
            "labelPlural": self.name + "s",
            "keyPrefix": self.prefix,
            "custom": False,
            "createable": self.name not in {"User", "Organization"},
            "updateable": True,
            "deletable": self.name not in {"User", "Organization"},
            "queryable": True,
            "urls": {"sobject": base, "describe": f"{base}/describe"},
        }


def text(name: str, length: int, **more: Any) -> Field:
    """Return a text field."""
    return Field(name=name, length=length, **more)


def choice(name: str, *choices: str, **more: Any) -> Field:
    """Return a picklist."""
    return Field(name=name, type="picklist", length=255, choices=choices, **more)


def reference(name: str, *objects: str, **more: Any) -> Field:
    """Return a look-up to other objects."""
    return Field(name=name, type="reference", length=18, refers_to=objects, **more)


def kind(name: str, type: str, **more: Any) -> Field:
    """Return a field of a type without a length."""
    return Field(name=name, type=type, **more)


def external_id(name: str = EXTERNAL_ID) -> Field:
    """Return the custom field by which an integration finds its records again."""
    return text(name, 255, external_id=True, unique=True)


def system_fields() -> list[Field]:
    """Return the fields that every object has and nobody writes."""
    fixed: dict[str, Any] = {"createable": False, "updateable": False}
    return [
        Field(name="Id", type="id", length=18, **fixed),
        kind("IsDeleted", "boolean", **fixed),
        kind("CreatedDate", "datetime", **fixed),
        reference("CreatedById", "User", **fixed),
        kind("LastModifiedDate", "datetime", **fixed),
        kind("SystemModstamp", "datetime", **fixed),
    ]


def object_type(name: str, prefix: str, *fields: Field) -> ObjectType:
    """Return an object with the system fields and the given ones."""
    made = ObjectType(name, prefix)
    for item in [*system_fields(), *fields]:
        made.add(item)
    return made
