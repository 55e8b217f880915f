"""Table Schema v2 beyond frictionless-py: `uniqueKeys`, `categories`, and empty fields of a primary key.

Frictionless keeps properties that it does not know in `custom`, and ignores them. Categories become an `enum`
constraint, which it checks itself. Keys are checked by columns (schemas/tableschema/columns.py), or by a Check of
Frictionless where it reads the rows.
"""

import json
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from frictionless import Check, Error, FrictionlessException, errors
from frictionless.resources import TableResource

PROFILE = "https://datapackage.org/profiles/2.0/{}.json"
FIRST_VERSION = re.compile(r"/profiles/1\.\d+/")
# The note of Frictionless on a value outside an `enum` begins so.
ENUM_NOTE = 'constraint "enum"'


@attrs.define(kw_only=True, repr=False)
class UniqueKeyError(errors.RowError):
    """A row with the values of an earlier row in all fields of a key in `uniqueKeys`."""

    type = "unique-key"
    title = "UniqueKey Error"
    description = "Values in the fields of a unique key should be unique for every row without nulls in them"
    template = 'Row at position "{rowNumber}" violates the unique key: {note}'

    field_names: list[str]


@attrs.define(kw_only=True, repr=False)
class PrimaryKeyNullError(errors.RowError):
    """A row with a null in some fields of the primary key; Frictionless reports nulls in all of them."""

    type = "primary-key-null"
    title = "PrimaryKey Null Error"
    description = "Fields of the primary key should not be null"
    template = 'Row at position "{rowNumber}" has nulls in the primary key: {note}'

    field_names: list[str]


class KeyCheck(Check):
    """Check of `uniqueKeys`, and of nulls in some fields of the primary key, row by row."""

    type = "keys"
    Errors = [UniqueKeyError, PrimaryKeyNullError]  # noqa: RUF012  attrs takes annotated attributes for fields

    def connect(self, resource: Any) -> None:
        super().connect(resource)
        self.rows_by_key: list[dict[Hashable, int]] = [{} for _ in unique_keys(resource.schema)]

    def validate_row(self, row: Any) -> Iterator[Any]:
        schema = self.resource.schema
        for names, rows in zip(unique_keys(schema), self.rows_by_key, strict=True):
            values = [row.get(name) for name in names]
            if None not in values:
                key = tuple(map(hashable, values))
                if before := rows.get(key):
                    yield unique_key_error(row, names, before)
                rows[key] = row.row_number
        primary = schema.primary_key
        has_value = set(primary) <= set(row.field_names) and any(row[name] is not None for name in primary)
        if has_value and set(primary) & row.blank_cells.keys():
            yield primary_key_null_error(row, primary)


def is_version_2(descriptor: Any) -> bool:
    """Return whether the descriptor declares v2. A profile of one's own is taken for v2, which includes v1."""
    profile = descriptor.get("$schema") if isinstance(descriptor, dict) else None
    return isinstance(profile, str) and not FIRST_VERSION.search(profile)


# --- keys


def unique_keys(schema: Any) -> list[list[str]]:
    """Return the keys of `uniqueKeys` whose fields the schema has."""
    keys = schema.custom.get("uniqueKeys")
    return [key for key in keys if _is_key(key, schema)] if isinstance(keys, list) else []


def has_keys(schema: Any) -> bool:
    """Return whether the schema has keys that Frictionless does not check completely."""
    return bool(unique_keys(schema)) or len(schema.primary_key) > 1


def _is_key(key: Any, schema: Any) -> bool:
    return isinstance(key, list) and bool(key) and all(name in schema.field_names for name in key)


def hashable(value: Any) -> Hashable:
    """Return the value itself, or text for a list or object."""
    return value if isinstance(value, Hashable) else json.dumps(value, sort_keys=True, default=str)


def unique_key_error(row: Any, names: Sequence[str], before: int) -> UniqueKeyError:
    note = f"the same as in the row at position {before}"
    return UniqueKeyError(note=note, cells=_texts(row), row_number=row.row_number, field_names=list(names))


def primary_key_null_error(row: Any, names: Sequence[str]) -> PrimaryKeyNullError:
    blank = [name for name in names if name in row.blank_cells]
    note = f'cells of the primary key are "None": {", ".join(blank)}'
    return PrimaryKeyNullError(note=note, cells=_texts(row), row_number=row.row_number, field_names=blank)


def _texts(row: Any) -> list[str]:
    return ["" if cell is None else str(cell) for cell in row.cells]


# --- categories


def with_categories(resource: TableResource) -> tuple[TableResource, dict[str, str]]:
    """Return a resource that has categories as `enum` constraints, and the texts of these categories by field."""
    if not any("categories" in field.custom for field in resource.schema.fields):
        return resource, {}
    copy = resource.to_copy()
    texts: dict[str, str] = {}
    for field in copy.schema.fields:
        categories = field.custom.get("categories")
        # The values of an `enum` are a subset of the categories.
        if isinstance(categories, list) and _has_enum(field) and "enum" not in field.constraints:
            field.constraints = {**field.constraints, "enum": [_value(category) for category in categories]}
            texts[field.name] = ", ".join(map(_text, categories))
    return copy, texts


def named_by_categories(error: Any, texts: Mapping[str, str]) -> Any:
    """Return the error, with `categories` as its constraint if its `enum` was made of them."""
    if error.type != "constraint-error" or error.field_name not in texts or not error.note.startswith(ENUM_NOTE):
        return error
    return errors.ConstraintError(
        note=f'constraint "categories" is "{texts[error.field_name]}"',
        cells=error.cells,
        row_number=error.row_number,
        cell=error.cell,
        field_name=error.field_name,
        field_number=error.field_number,
    )


def _has_enum(field: Any) -> bool:
    return "enum" in field.supported_constraints


def _value(category: Any) -> Any:
    return category.get("value") if isinstance(category, dict) else category


def _text(category: Any) -> str:
    label = category.get("label") if isinstance(category, dict) else None
    return f"{_value(category)} ({label})" if label else str(_value(category))


# --- metadata


def refuse_invalid(schema: Any) -> None:
    """Raise FrictionlessException with the errors of `uniqueKeys` and `categories`, as for other invalid metadata."""
    notes = [*_notes_on_keys(schema), *(note for field in schema.fields for note in _notes_on_categories(field))]
    if notes:
        reasons: list[Error] = [errors.SchemaError(note=note) for note in notes]
        raise FrictionlessException(errors.SchemaError(note="descriptor is not valid"), reasons=reasons)


def _notes_on_keys(schema: Any) -> Iterator[str]:
    keys = schema.custom.get("uniqueKeys")
    if keys is None:
        return
    if not isinstance(keys, list) or not keys:
        yield '"uniqueKeys" must be an array of arrays of field names'
        return
    for key in keys:
        if not _is_key(key, schema):
            yield f'unique key "{key}" must be an array of names of the fields "{schema.field_names}"'


def _notes_on_categories(field: Any) -> Iterator[str]:
    if not isinstance(field.custom.get("categoriesOrdered", True), bool):
        yield f'"categoriesOrdered" of field "{field.name}" must be a boolean'
    categories = field.custom.get("categories")
    if categories is None:
        return
    if not isinstance(categories, list) or any(_value(category) is None for category in categories):
        yield f'"categories" of field "{field.name}" must be an array of values, or of objects with a value'
        return
    if not _has_enum(field):
        yield f'"categories" of field "{field.name}" is not supported by type "{field.type}"'
        return
    read = field.create_value_reader()
    values = [read(_value(category)) for category in categories]
    labels = [category["label"] for category in categories if isinstance(category, dict) and "label" in category]
    yield from (
        f'category "{_value(category)}" of field "{field.name}" is not of type "{field.type}"'
        for category, value in zip(categories, values, strict=True)
        if value is None
    )
    if _has_duplicates(values) or _has_duplicates(labels):
        yield f'"categories" of field "{field.name}" must have unique values and labels'
    if not all(read(value) in values for value in field.constraints.get("enum", [])):
        yield f'constraint "enum" of field "{field.name}" must be a subset of "categories"'


def _has_duplicates(values: Sequence[Any]) -> bool:
    return len(set(map(hashable, values))) < len(values)
