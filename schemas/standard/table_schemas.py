"""The standard: the six Table Schemas of DESIGN section 2, with code lists from the register."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from vaven.vocab import register

STANDARD_VERSION = "1.0"
RESOURCES = ("observations", "neighbourhoods", "actors", "investments", "targets", "survey")


@dataclass(frozen=True)
class Field:
    """A field of a Table Schema. `descriptor` is its Frictionless descriptor with our `labels` and `synonyms`."""

    name: str
    type: str
    descriptor: Mapping[str, Any]

    @property
    def constraints(self) -> Mapping[str, Any]:
        constraints: Mapping[str, Any] = self.descriptor.get("constraints", {})
        return constraints

    @property
    def required(self) -> bool:
        return bool(self.constraints.get("required"))

    @property
    def list_of(self) -> str | None:
        """Type of the members of a list cell: deso, neighbourhoods, actors or kpis."""
        return self.descriptor.get("list")

    def label(self, language: str) -> str:
        return str(self.descriptor["labels"][language])

    def describe(self, language: str) -> str:
        return str(self.descriptor["descriptions"][language])


@dataclass(frozen=True)
class TableSchema:
    """The schema of one resource. `descriptor` is complete, with enums from the code lists."""

    name: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[Mapping[str, Any], ...]
    descriptor: Mapping[str, Any]

    def __getitem__(self, name: str) -> Field:
        return next(f for f in self.fields if f.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields)

    def label(self, language: str) -> str:
        return str(self.descriptor["labels"][language])


@dataclass(frozen=True)
class Standard:
    """The six schemas by resource name, in the order of `RESOURCES`."""

    version: str
    schemas: Mapping[str, TableSchema]

    def __getitem__(self, resource: str) -> TableSchema:
        return self.schemas[resource]


@cache
def standard() -> Standard:
    return Standard(STANDARD_VERSION, {name: _schema(name) for name in RESOURCES})


def profile() -> dict[str, Any]:
    """Return the JSON Schema of a submission's datapackage.json (standard/descriptors/datapackage.json)."""
    schema: dict[str, Any] = _descriptor("datapackage")
    return schema


def _descriptor(name: str) -> dict[str, Any]:
    descriptor: dict[str, Any] = json.loads((files(__package__) / "descriptors" / f"{name}.json").read_text("utf-8"))
    return descriptor


def _schema(name: str) -> TableSchema:
    descriptor = _descriptor(name)
    for field in descriptor["fields"]:
        _fill_enum(field)
    return TableSchema(
        name=name,
        fields=tuple(Field(f["name"], f["type"], f) for f in descriptor["fields"]),
        primary_key=tuple(descriptor["primaryKey"]),
        foreign_keys=tuple(descriptor.get("foreignKeys", ())),
        descriptor=copy.deepcopy(descriptor),
    )


def _fill_enum(field: dict[str, Any]) -> None:
    """Add an enum to a field with `codes`; the code list itself is in vocab only."""
    if code_list := field.get("codes"):
        allowed = register.kpis() if code_list == "kpis" else register.codes(code_list)
        field.setdefault("constraints", {})["enum"] = list(allowed)
