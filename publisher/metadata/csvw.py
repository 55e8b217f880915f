"""CSV on the Web: metadata of a released table (Metadata Vocabulary for Tabular Data, W3C Recommendation).

Its readers know it by the name of the CSV file with `-metadata.json` (Model for Tabular Data, section 5.3) or by the
file's `Link` header (section 5.2). It is derived from the release's own description, datapackage.json.
"""

from collections.abc import Mapping
from typing import Any

from vaven.vocab.iris import NAMESPACES, Iris

CSVW = "http://www.w3.org/ns/csvw"
# Datatypes by Table Schema type (Metadata Vocabulary, section 5.11.1).
DATATYPES = {"number": "decimal", "integer": "integer", "date": "date", "boolean": "boolean", "year": "gYear"}
DIMENSION, MEASURE = NAMESPACES["sdmx-dimension"], NAMESPACES["sdmx-measure"]
PROPERTIES = {
    "neighbourhood": f"{DIMENSION}refArea",
    "period": f"{DIMENSION}refPeriod",
    "sex": f"{DIMENSION}sex",
    "age_group": f"{DIMENSION}age",
    "value": f"{MEASURE}obsValue",
    "status": f"{NAMESPACES['sdmx-attribute']}obsStatus",
}


def csvw_metadata(package: Mapping[str, Any], table: str, iris: Iris) -> dict[str, Any] | None:
    """Return the metadata of a table of a release, given its datapackage.json; None for another table.

    Columns of observations have the properties that their values have in the Data Cube, and the IRIs of KPIs, sexes and
    ages.
    """
    resource = next((r for r in package["resources"] if r["name"] == table), None)
    if resource is None:
        return None
    schema, about = resource["schema"], package["vaven"]
    is_cube = table == "observations"
    targets = {
        "kpi": f"{iris.base}id/kpi/{{+kpi}}",
        "sex": f"{NAMESPACES['sdmx-code']}sex-{{sex}}",
        "age_group": f"{iris.base}id/age/{{+age_group}}",
    }
    columns = [
        {
            **_column(field),
            **({"propertyUrl": _property(field["name"], iris)} if is_cube and _property(field["name"], iris) else {}),
            **({"valueUrl": targets[field["name"]]} if is_cube and field["name"] in targets else {}),
        }
        for field in schema["fields"]
    ]
    return {
        "@context": [CSVW, {"@language": "en"}],
        "url": resource["path"],
        "dc:title": _texts({language: text for language, text in about["title"].items() if text}),
        "dc:description": _texts({language: text for language, text in schema["descriptions"].items() if text}),
        "dc:publisher": about["publisher"]["name"],
        "dc:modified": {"@value": package["created"], "@type": "xsd:dateTime"},
        **({"dc:license": {"@id": package["licenses"][0]["path"]}} if package.get("licenses") else {}),
        "tableSchema": {"columns": columns, "primaryKey": schema["primaryKey"]},
    }


def _texts(texts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"@value": text, "@language": language} for language, text in texts.items()]


def _property(name: str, iris: Iris) -> str:
    return f"{iris.ontology}kpi" if name == "kpi" else PROPERTIES.get(name, "")


def _column(field: Mapping[str, Any]) -> dict[str, Any]:
    """Return a column. Its name is among the titles, since a header's cell must be one (section 5.6)."""
    constraints = field.get("constraints", {})
    kind = DATATYPES.get(field["type"], "string")
    datatype: Any = kind
    if kind == "string" and (pattern := constraints.get("pattern")):
        datatype = {"base": kind, "format": pattern}
    elif "minimum" in constraints:
        datatype = {"base": kind, "minimum": constraints["minimum"]}
    labels = {language: text for language, text in field.get("labels", {}).items() if text}
    return {
        "name": field["name"],
        "titles": {"und": field["name"], **labels},
        "dc:description": _texts(field.get("descriptions", {})),
        "datatype": datatype,
        "required": bool(constraints.get("required")),
    }
