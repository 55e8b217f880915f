"""Croissant 1.1 (MLCommons): descriptions of releases, by which machine-learning tools load them.

Files with their SHA-256, a record set for each table from its Table Schema, and the code lists as enumerations. Records
are read from Parquet, which has types: readers of CSV parse the code 0180 as a number.
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
# The context of the specification, unchanged in meaning: readers warn of any other.
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
# Croissant's name for Parquet dates from before Parquet had a media type.
FILE_FORMATS = {"parquet": "application/x-parquet", "csv": media_types.CSV}
# Code lists of field values, by their names in the Table Schema.
CODE_LISTS = ("kpis", "sexes", "statuses", "methods")
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
        release = collection.release(slug, version)
        text = json.dumps(describe(iris, collection.dataset(slug), release), ensure_ascii=False, indent=2)
        response = Response(text + "\n", content_type=media_types.JSON_LD)
        response.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
        response.make_conditional(request)
        return response

    return pages


def describe(iris: Iris, dataset: Dataset, release: PublishedRelease) -> Json:
    """Describe a version of a dataset."""
    about = release.about
    schemas = [standard()[resource] for resource in release.rows]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "@id": iris.dataset(dataset.slug, release.version),
        "conformsTo": CONFORMS_TO,
        "name": dict(about.titles),
        "description": {**about.titles, **{key: text for key, text in about.descriptions.items() if text}},
        "url": iris.page(dataset.slug, release.version),
        # Croissant versions have three numbers; ours is the first (major), as any change may break readers.
        "version": f"{release.version}.0.0",
        "datePublished": f"{release.released_at:%Y-%m-%dT%H:%M:%S}",
        "license": register.codes("licences")[about.licence].properties["iri"],
        "creator": organisation(iris, about) | {"@type": "sc:Organization"},
        "publisher": organisation(iris, about) | {"@type": "sc:Organization"},
        "keywords": sorted({word for words in about.keywords.values() for word in words}),
        "citeAs": _citation(iris, release),
        "isLiveDataset": False,
        "distribution": [
            _file(iris, release, f"{schema.name}.{extension}") for schema in schemas for extension in FILE_FORMATS
        ],
        "recordSet": [
            *(_table(iris, schema) for schema in schemas),
            *(_code_list(name) for name in CODE_LISTS),
        ],
    }


def _citation(iris: Iris, release: PublishedRelease) -> str:
    about = release.about
    title = about.titles.get("en") or about.titles.get("sv") or release.dataset
    iri = iris.dataset(release.dataset, release.version)
    author = about.publisher_name or "Den sociala väven"
    return (
        f"@misc{{{release.dataset}-{release.version}, author = {{{{{author}}}}}, title = {{{title}}}, "
        f"year = {{{release.released_at:%Y}}}, version = {{{release.version}}}, url = {{{iri}}}}}"
    )


def _file(iris: Iris, release: PublishedRelease, name: str) -> Json:
    file = release.file(name)
    described_type = file_type(name)
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": described_type.definition("en"),
        "contentUrl": iris.download(release.dataset, release.version, name),
        "contentSize": f"{file.size if file else 0} B",
        "encodingFormat": FILE_FORMATS[name.rpartition(".")[2]],
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
    properties: Json = {
        "@type": "cr:Field",
        "@id": f"{schema.name}/{field.name}",
        "name": f"{schema.name}/{field.name}",
        "description": {language: field.describe(language) for language in LANGUAGES},
        "dataType": TYPES[field.type],
        "source": {"fileObject": {"@id": f"{schema.name}.parquet"}, "extract": {"column": field.name}},
    }
    if reference := _reference(field):
        properties["references"] = {"field": {"@id": reference}}
    if schema.name == "observations" and (property := (PROPERTIES | {"kpi": f"{iris.ontology}kpi"}).get(field.name)):
        properties["equivalentProperty"] = property
    return properties


def _reference(field: Field) -> str:
    """Return the code list of a field's values. Areas have none: an official area need not be declared."""
    code_list = field.descriptor.get("codes")
    return f"{code_list}/code" if code_list in CODE_LISTS and not field.list_of else ""


def _code_list(name: str) -> Json:
    """Describe a code list as an enumeration that contains its rows."""
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
    code_list = register.kpis() if name == "kpis" else register.codes(name)
    for code in code_list.values():
        yield code.id, code.text("sv"), code.text("en")
