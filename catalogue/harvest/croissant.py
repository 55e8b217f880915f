"""Croissant 1.1 (MLCommons): a release described so that machine-learning tools load it by name.

Files with their SHA-256, a record set for each table from its Table Schema, and the code lists as enumerations. Records
are read from Parquet, which knows its types: readers of CSV make a number of the code 0180.
"""

import hashlib
from collections.abc import Iterator

from flask import Blueprint, Response, json, request

from vaven.catalogue.pages.schema_org import Json, organisation
from vaven.publisher.metadata.distributions import file_type
from vaven.publisher.published.collection import Collection
from vaven.publisher.published.values import Dataset, PublishedRelease
from vaven.schemas.standard.table_schemas import Field, TableSchema, standard
from vaven.vocab import media_types, register
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import LANGUAGES

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
# The context of the specification, word for word in meaning: readers warn of any other.
CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
} | {
    word: f"cr:{word}"
    for word in [
        "arrayShape",
        "citeAs",
        "column",
        "containedIn",
        "equivalentProperty",
        "extract",
        "field",
        "fileObject",
        "fileProperty",
        "fileSet",
        "format",
        "includes",
        "isArray",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "recordSet",
        "references",
        "regex",
        "repeated",
        "replace",
        "samplingRate",
        "separator",
        "source",
        "subField",
        "transform",
    ]
}
TYPES = {"string": "sc:Text", "number": "sc:Float", "integer": "sc:Integer", "date": "sc:Date"}
# Croissant's own name for Parquet is the one from before it had a media type.
FORMS = {"parquet": "application/x-parquet", "csv": media_types.CSV}
# Code lists that a field's values are codes of, by the name that the Table Schema gives them.
LISTS = ("kpis", "sexes", "statuses", "methods")
PROPERTIES = {
    "neighbourhood": NAMESPACES["sdmx-dimension"] + "refArea",
    "period": NAMESPACES["sdmx-dimension"] + "refPeriod",
    "sex": NAMESPACES["sdmx-dimension"] + "sex",
    "age_group": NAMESPACES["sdmx-dimension"] + "age",
    "value": NAMESPACES["sdmx-measure"] + "obsValue",
    "status": NAMESPACES["sdmx-attribute"] + "obsStatus",
}


def blueprint(collection: Collection, iris: Iris) -> Blueprint:
    pages = Blueprint("croissant", __name__)

    @pages.get("/dataset/<slug>/<int:version>/croissant.json")
    def document(slug: str, version: int) -> Response:
        entry = collection.release(slug, version)
        text = json.dumps(describe(iris, collection.dataset(slug), entry), ensure_ascii=False, indent=2)
        answer = Response(text + "\n", content_type=media_types.JSON_LD)
        answer.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
        answer.make_conditional(request)
        return answer

    return pages


def describe(iris: Iris, found: Dataset, entry: PublishedRelease) -> Json:
    about = entry.about
    schemas = [standard()[resource] for resource in entry.rows]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "@id": iris.dataset(found.slug, entry.version),
        "conformsTo": CONFORMS_TO,
        "name": dict(about.titles),
        "description": {**about.titles, **{key: text for key, text in about.descriptions.items() if text}},
        "url": iris.page(found.slug, entry.version),
        # Croissant takes versions of three numbers; ours is the first, for what changes may break who reads it.
        "version": f"{entry.version}.0.0",
        "datePublished": f"{entry.released_at:%Y-%m-%dT%H:%M:%S}",
        "license": register.codes("licences")[about.licence].properties["iri"],
        "creator": organisation(iris, about) | {"@type": "sc:Organization"},
        "publisher": organisation(iris, about) | {"@type": "sc:Organization"},
        "keywords": sorted({word for words in about.keywords.values() for word in words}),
        "citeAs": _citation(iris, entry),
        "isLiveDataset": False,
        "distribution": [_file(iris, entry, f"{schema.name}.{ending}") for schema in schemas for ending in FORMS],
        "recordSet": [
            *(_table(iris, schema) for schema in schemas),
            *(_code_list(name) for name in LISTS),
        ],
    }


def _citation(iris: Iris, entry: PublishedRelease) -> str:
    about = entry.about
    title = about.titles.get("en") or about.titles.get("sv") or entry.dataset
    address = iris.dataset(entry.dataset, entry.version)
    author = about.publisher_name or "Den sociala väven"
    return (
        f"@misc{{{entry.dataset}-{entry.version}, author = {{{{{author}}}}}, title = {{{title}}}, "
        f"year = {{{entry.released_at:%Y}}}, version = {{{entry.version}}}, url = {{{address}}}}}"
    )


def _file(iris: Iris, entry: PublishedRelease, name: str) -> Json:
    file = entry.file(name)
    kind = file_type(name)
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": kind.definition("en"),
        "contentUrl": iris.download(entry.dataset, entry.version, name),
        "contentSize": f"{file.size if file else 0} B",
        "encodingFormat": FORMS[name.rpartition(".")[2]],
        "sha256": file.sha256 if file else "",
    }


def _table(iris: Iris, schema: TableSchema) -> Json:
    return {
        "@type": "cr:RecordSet",
        "@id": schema.name,
        "name": {language: schema.label(language) for language in LANGUAGES},
        "key": [{"@id": f"{schema.name}/{column}"} for column in schema.primary_key],
        "field": [_field(iris, schema, field) for field in schema.fields],
    }


def _field(iris: Iris, schema: TableSchema, field: Field) -> Json:
    made: Json = {
        "@type": "cr:Field",
        "@id": f"{schema.name}/{field.name}",
        "name": f"{schema.name}/{field.name}",
        "description": {language: field.describe(language) for language in LANGUAGES},
        "dataType": TYPES[field.type],
        "source": {"fileObject": {"@id": f"{schema.name}.parquet"}, "extract": {"column": field.name}},
    }
    if reference := _reference(field):
        made["references"] = {"field": {"@id": reference}}
    if schema.name == "observations" and (same := (PROPERTIES | {"kpi": f"{iris.ontology}kpi"}).get(field.name)):
        made["equivalentProperty"] = same
    return made


def _reference(field: Field) -> str:
    """The list whose codes the field's values are. Areas have none: an official one need not be declared."""
    listed = field.descriptor.get("codes")
    return f"{listed}/code" if listed in LISTS and not field.list_of else ""


def _code_list(name: str) -> Json:
    """A code list as an enumeration with its rows in place."""
    columns = ("code", "label_sv", "label_en")
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "dataType": "cr:Enumeration",
        "key": {"@id": f"{name}/code"},
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{column}", "name": f"{name}/{column}", "dataType": "sc:Text"}
            for column in columns
        ],
        "data": [dict(zip((f"{name}/{c}" for c in columns), row, strict=True)) for row in _codes(name)],
    }


def _codes(name: str) -> Iterator[tuple[str, str, str]]:
    listed = register.kpis() if name == "kpis" else register.codes(name)
    for code in listed.values():
        yield code.id, code.text("sv"), code.text("en")
