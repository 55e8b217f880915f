"""schema.org descriptions of pages as datasets, for search engines (Google: "Dataset structured data").

A dataset's page describes the release; the pages of KPIs and areas are datasets too, taken from several releases, with
their own files.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vaven.publisher.metadata.distributions import file_type
from vaven.publisher.published.values import Dataset, PublishedArea, PublishedRelease, Series
from vaven.publisher.rdf.agents import publisher_key
from vaven.publisher.releases.manifest import ReleasedFile
from vaven.schemas.tables.tables import About
from vaven.vocab import register
from vaven.vocab.areas import areas
from vaven.vocab.iris import Iris
from vaven.vocab.messages import messages
from vaven.vocab.periods import parse_period
from vaven.vocab.register import Kpi

Json = dict[str, Any]
CONTEXT = "https://schema.org/"
# Google accepts descriptions of 50 to 5,000 characters.
SHORTEST, LONGEST = 50, 5_000
# Extensions of the files of a page.
FILE_FORMATS = ("csv", "xlsx", "json")


def dataset(iris: Iris, dataset: Dataset, release: PublishedRelease, language: str) -> Json:
    """Describe a version of a dataset."""
    about, kpis = release.about, [register.kpis()[slug] for slug in release.kpis]
    is_current = release.version == dataset.current.version
    return _without_empty(
        {
            "@context": CONTEXT,
            "@type": "Dataset",
            "@id": iris.dataset(dataset.slug, None if is_current else release.version),
            "name": _words(about.titles, language),
            "description": _description(about, kpis, language),
            "url": iris.page(dataset.slug, None if is_current else release.version),
            "identifier": iris.dataset(dataset.slug, release.version),
            "version": str(release.version),
            "datePublished": f"{dataset.versions[-1].released_at:%Y-%m-%d}",
            "dateModified": f"{release.released_at:%Y-%m-%d}",
            "license": _licence(about),
            "isAccessibleForFree": True,
            "creator": organisation(iris, about),
            "publisher": organisation(iris, about),
            "keywords": list(about.keywords.get(language, ())),
            "temporalCoverage": "/".join(day.isoformat() for day in release.period) if release.period else "",
            "spatialCoverage": [_kommun(iris, code) for code in release.kommuner],
            "variableMeasured": [_variable(iris, kpi, language) for kpi in kpis],
            "includedInDataCatalog": _catalogue(iris, language),
            "isPartOf": _series(iris, about, language),
            "distribution": [_file(iris, release, file, language) for file in release.files if _is_data(file)],
            "subjectOf": {
                "@type": "CreativeWork",
                "url": iris.download(dataset.slug, release.version, "croissant.json"),
            },
        }
    )


def kpi(
    iris: Iris, kpi: Kpi, series: Sequence[Series], datasets: Mapping[str, PublishedRelease], language: str
) -> Json | None:
    """Describe a KPI in all areas; None if no area has values of it."""
    if not series:
        return None
    t = messages(language, "catalogue")
    kommuner = {s.area.kommun: s.area.kommun_name for s in series if s.area.kommun}
    return _view(
        iris,
        datasets.values(),
        language,
        name=kpi.text(language),
        description=t("structured.kpi", definition=kpi.definition(language), places=", ".join(kommuner.values())),
        url=f"{iris.base}kpi/{kpi.id}",
        about=iris.kpi(kpi.id),
        temporalCoverage=_span(series),
        spatialCoverage=[_kommun(iris, code) for code in kommuner],
        variableMeasured=[_variable(iris, kpi, language)],
    )


def area(
    iris: Iris, area: PublishedArea, series: Sequence[Series], datasets: Mapping[str, PublishedRelease], language: str
) -> Json:
    """Describe all KPIs of an area."""
    t = messages(language, "catalogue")
    kpis = [kpi for slug, kpi in register.kpis().items() if slug in area.kpis]
    where = f"{area.name}, {area.kommun_name}" if area.kommun_name else area.name
    labels = ", ".join(kpi.text(language) for kpi in kpis)
    return _view(
        iris,
        datasets.values(),
        language,
        name=t("structured.area.name", where=where),
        description=t("structured.area", where=where, kpis=labels),
        url=f"{iris.base}{iris.area(area.area_vintage, area.code).removeprefix(f'{iris.base}id/')}",
        about=iris.area(area.area_vintage, area.code),
        temporalCoverage=_span(series),
        spatialCoverage=[_without_empty(_area(iris, area))],
        variableMeasured=[_variable(iris, kpi, language) for kpi in kpis],
    )


def catalogue(iris: Iris, datasets: Iterable[Dataset], language: str) -> Json:
    """Describe the catalogue with its datasets by name."""
    t = messages(language, "publisher")
    items = [
        {
            "@type": "Dataset",
            "@id": iris.dataset(d.slug),
            "name": _words(d.current.about.titles, language),
            "url": iris.page(d.slug),
        }
        for d in datasets
    ]
    return {
        "@context": CONTEXT,
        **_catalogue(iris, language),
        "description": t("catalogue.description"),
        "inLanguage": ["sv", "en"],
        "license": register.codes("licences")["cc0"].properties["iri"],
        "dataset": items,
    }


def organisation(iris: Iris, about: About) -> Json:
    """Describe the publisher of a dataset."""
    number = about.publisher_number
    identifier = {"@type": "PropertyValue", "propertyID": "organisationsnummer", "value": number} if number else None
    return _without_empty(
        {
            "@type": "Organization",
            "@id": iris.organisation(publisher_key(about)),
            "name": about.publisher_name or "Den sociala väven",
            "identifier": identifier,
        }
    )


def _view(iris: Iris, releases: Iterable[PublishedRelease], language: str, **properties: Any) -> Json:
    """Describe a dataset taken from several releases: their publishers and licences, and the page's own files."""
    sources = list(releases)
    licences = sorted({_licence(release.about) for release in sources})
    creators = {publisher_key(release.about): organisation(iris, release.about) for release in sources}
    return _without_empty(
        {
            "@context": CONTEXT,
            "@type": "Dataset",
            "@id": f"{properties['url']}#dataset",
            **properties,
            "description": properties["description"][:LONGEST],
            "about": {"@id": properties["about"]},
            "isAccessibleForFree": True,
            "license": licences[0] if len(licences) == 1 else licences,
            "creator": list(creators.values()),
            "dateModified": max(f"{release.released_at:%Y-%m-%d}" for release in sources) if sources else "",
            "isBasedOn": [iris.dataset(release.dataset) for release in sources],
            "includedInDataCatalog": _catalogue(iris, language),
            "distribution": [
                {
                    "@type": "DataDownload",
                    "encodingFormat": register.codes("file_types")[extension].properties["media_type"],
                    "contentUrl": f"{properties['url']}.{extension}",
                }
                for extension in FILE_FORMATS
            ],
        }
    )


def _description(about: About, kpis: Sequence[Kpi], language: str) -> str:
    """Return the publisher's description; with the KPIs if it is too short for a search engine."""
    text = _words(about.descriptions, language) or _words(about.titles, language)
    if len(text) < SHORTEST:
        labels = ", ".join(kpi.text(language) for kpi in kpis)
        text = messages(language, "catalogue")("structured.dataset", said=text.rstrip("."), kpis=labels)
    return text[:LONGEST]


def _variable(iris: Iris, kpi: Kpi, language: str) -> Json:
    """Describe a KPI as the variable measured."""
    return _without_empty(
        {
            "@type": "PropertyValue",
            "@id": iris.kpi(kpi.id),
            "propertyID": kpi.id,
            "name": kpi.text(language),
            "description": kpi.definition(language),
            "unitText": kpi.unit(language),
            "unitCode": kpi.unit_iri,
            "minValue": kpi.minimum,
            "maxValue": kpi.maximum,
            "url": f"{iris.base}kpi/{kpi.id}",
        }
    )


def _kommun(iris: Iris, code: str) -> Json:
    return {
        "@type": "AdministrativeArea",
        "@id": iris.area("kommun", code),
        "name": areas().kommuner[code].name,
        "identifier": {"@type": "PropertyValue", "propertyID": "kommunkod", "value": code},
        "containedInPlace": {"@type": "Country", "name": "Sverige", "identifier": "SE"},
    }


def _area(iris: Iris, area: PublishedArea) -> Json:
    return {
        "@type": "Place",
        "@id": iris.area(area.area_vintage, area.code),
        "name": area.name,
        "identifier": {"@type": "PropertyValue", "propertyID": area.area_vintage, "value": area.code},
        "containedInPlace": _kommun(iris, area.kommun) if area.kommun in areas().kommuner else None,
    }


def _is_data(file: ReleasedFile) -> bool:
    return file.name not in ("metadata.ttl", "datapackage.json", "report.json")


def _file(iris: Iris, release: PublishedRelease, file: ReleasedFile, language: str) -> Json:
    return {
        "@type": "DataDownload",
        "@id": iris.distribution(release.dataset, release.version, file.name),
        "name": file.name,
        "description": file_type(file.name).definition(language),
        "encodingFormat": file_type(file.name).properties["media_type"],
        "contentUrl": iris.download(release.dataset, release.version, file.name),
        "contentSize": f"{file.size} B",
        "sha256": file.sha256,
    }


def _catalogue(iris: Iris, language: str) -> Json:
    return {
        "@type": "DataCatalog",
        "@id": iris.catalogue,
        "name": messages(language, "publisher")("catalogue.title"),
        "url": f"{iris.base}datasets",
    }


def _series(iris: Iris, about: About, language: str) -> Json | None:
    if not about.series:
        return None
    iri = iris.series(publisher_key(about), about.series)
    return {"@type": "Dataset", "@id": iri, "name": _words(about.series_titles, language), "url": iri}


def _licence(about: About) -> str:
    return register.codes("licences")[about.licence].properties["iri"] if about.licence else ""


def _span(series: Iterable[Series]) -> str:
    """Return the first and last day of all points as an ISO 8601 interval."""
    periods = [parse_period(point.period) for one in series for point in one.points]
    if not periods:
        return ""
    return f"{min(p.start for p in periods).isoformat()}/{max(p.end for p in periods).isoformat()}"


def _words(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or next((text for text in texts.values() if text), "")


def _without_empty(properties: Json) -> Json:
    """Remove empty properties, which validators reject."""
    return {key: value for key, value in properties.items() if value not in (None, "", [], {})}
