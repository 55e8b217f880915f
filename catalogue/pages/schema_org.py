"""schema.org in pages, for search engines (Google: "Dataset structured data"): what a page shows, as a Dataset.

A dataset's page describes the release; a KPI's and an area's page are datasets too, cut across releases, with the
files that hold them.
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
# Google takes descriptions of 50 to 5,000 characters.
SHORTEST, LONGEST = 50, 5_000
FORMS = {"csv": "csv", "xlsx": "xlsx", "json": "json"}


def dataset(iris: Iris, found: Dataset, entry: PublishedRelease, language: str) -> Json:
    """A version of a dataset, as its page shows it."""
    about, kpis = entry.about, [register.kpis()[slug] for slug in entry.kpis]
    is_current = entry.version == found.current.version
    return _cleared(
        {
            "@context": CONTEXT,
            "@type": "Dataset",
            "@id": iris.dataset(found.slug, None if is_current else entry.version),
            "name": _words(about.titles, language),
            "description": _description(about, kpis, language),
            "url": iris.page(found.slug, None if is_current else entry.version),
            "identifier": iris.dataset(found.slug, entry.version),
            "version": str(entry.version),
            "datePublished": f"{found.versions[-1].released_at:%Y-%m-%d}",
            "dateModified": f"{entry.released_at:%Y-%m-%d}",
            "license": _licence(about),
            "isAccessibleForFree": True,
            "creator": organisation(iris, about),
            "publisher": organisation(iris, about),
            "keywords": list(about.keywords.get(language, ())),
            "temporalCoverage": "/".join(day.isoformat() for day in entry.period) if entry.period else "",
            "spatialCoverage": [_kommun(iris, code) for code in entry.kommuner],
            "variableMeasured": [_variable(iris, kpi, language) for kpi in kpis],
            "includedInDataCatalog": _catalogue(iris, language),
            "isPartOf": _series(iris, about, language),
            "distribution": [_file(iris, entry, file, language) for file in entry.files if _is_data(file)],
            "subjectOf": {"@type": "CreativeWork", "url": iris.download(found.slug, entry.version, "croissant.json")},
        }
    )


def kpi(
    iris: Iris, found: Kpi, series: Sequence[Series], datasets: Mapping[str, PublishedRelease], language: str
) -> Json | None:
    """A KPI in all areas that have it; None where none has, since there are no data then."""
    if not series:
        return None
    t = messages(language, "catalogue")
    places = {s.area.kommun: s.area.kommun_name for s in series if s.area.kommun}
    return _view(
        iris,
        datasets.values(),
        language,
        name=found.text(language),
        description=t("structured.kpi", definition=found.definition(language), places=", ".join(places.values())),
        url=f"{iris.base}kpi/{found.id}",
        about=iris.kpi(found.id),
        temporalCoverage=_span(series),
        spatialCoverage=[_kommun(iris, code) for code in places],
        variableMeasured=[_variable(iris, found, language)],
    )


def area(
    iris: Iris, found: PublishedArea, series: Sequence[Series], datasets: Mapping[str, PublishedRelease], language: str
) -> Json:
    """All KPIs of an area."""
    t = messages(language, "catalogue")
    kpis = [kpi for slug, kpi in register.kpis().items() if slug in found.kpis]
    where = f"{found.name}, {found.kommun_name}" if found.kommun_name else found.name
    listed = ", ".join(kpi.text(language) for kpi in kpis)
    return _view(
        iris,
        datasets.values(),
        language,
        name=t("structured.area.name", where=where),
        description=t("structured.area", where=where, kpis=listed),
        url=f"{iris.base}{iris.area(found.area_vintage, found.code).removeprefix(f'{iris.base}id/')}",
        about=iris.area(found.area_vintage, found.code),
        temporalCoverage=_span(series),
        spatialCoverage=[_cleared(_area(iris, found))],
        variableMeasured=[_variable(iris, kpi, language) for kpi in kpis],
    )


def catalogue(iris: Iris, datasets: Iterable[Dataset], language: str) -> Json:
    """The catalogue itself, with its datasets by name."""
    words = messages(language, "publisher")
    listed = [
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
        "description": words("catalogue.description"),
        "inLanguage": ["sv", "en"],
        "license": register.codes("licences")["cc0"].properties["iri"],
        "dataset": listed,
    }


def organisation(iris: Iris, about: About) -> Json:
    """A dataset's publisher."""
    number = about.publisher_number
    identifier = {"@type": "PropertyValue", "propertyID": "organisationsnummer", "value": number} if number else None
    return _cleared(
        {
            "@type": "Organization",
            "@id": iris.organisation(publisher_key(about)),
            "name": about.publisher_name or "Den sociala väven",
            "identifier": identifier,
        }
    )


def _view(iris: Iris, entries: Iterable[PublishedRelease], language: str, **known: Any) -> Json:
    """A dataset cut across releases: who made them, under which licence, and the page's own files."""
    sources = list(entries)
    licences = sorted({_licence(entry.about) for entry in sources})
    creators = {publisher_key(entry.about): organisation(iris, entry.about) for entry in sources}
    return _cleared(
        {
            "@context": CONTEXT,
            "@type": "Dataset",
            "@id": f"{known['url']}#dataset",
            **known,
            "description": known["description"][:LONGEST],
            "about": {"@id": known["about"]},
            "isAccessibleForFree": True,
            "license": licences[0] if len(licences) == 1 else licences,
            "creator": list(creators.values()),
            "dateModified": max(f"{entry.released_at:%Y-%m-%d}" for entry in sources) if sources else "",
            "isBasedOn": [iris.dataset(entry.dataset) for entry in sources],
            "includedInDataCatalog": _catalogue(iris, language),
            "distribution": [
                {
                    "@type": "DataDownload",
                    "encodingFormat": register.codes("file_types")[ending].properties["media_type"],
                    "contentUrl": f"{known['url']}.{form}",
                }
                for form, ending in FORMS.items()
            ],
        }
    )


def _description(about: About, kpis: Sequence[Kpi], language: str) -> str:
    """The publisher's words; with the KPIs where they are too few for a search engine."""
    said = _words(about.descriptions, language) or _words(about.titles, language)
    if len(said) < SHORTEST:
        listed = ", ".join(kpi.text(language) for kpi in kpis)
        said = messages(language, "catalogue")("structured.dataset", said=said.rstrip("."), kpis=listed)
    return said[:LONGEST]


def _variable(iris: Iris, found: Kpi, language: str) -> Json:
    """A KPI as what was measured."""
    return _cleared(
        {
            "@type": "PropertyValue",
            "@id": iris.kpi(found.id),
            "propertyID": found.id,
            "name": found.text(language),
            "description": found.definition(language),
            "unitText": found.unit(language),
            "unitCode": found.unit_iri,
            "minValue": found.minimum,
            "maxValue": found.maximum,
            "url": f"{iris.base}kpi/{found.id}",
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


def _area(iris: Iris, found: PublishedArea) -> Json:
    return {
        "@type": "Place",
        "@id": iris.area(found.area_vintage, found.code),
        "name": found.name,
        "identifier": {"@type": "PropertyValue", "propertyID": found.area_vintage, "value": found.code},
        "containedInPlace": _kommun(iris, found.kommun) if found.kommun in areas().kommuner else None,
    }


def _is_data(file: ReleasedFile) -> bool:
    return file.name not in ("metadata.ttl", "datapackage.json", "report.json")


def _file(iris: Iris, entry: PublishedRelease, file: ReleasedFile, language: str) -> Json:
    return {
        "@type": "DataDownload",
        "@id": iris.distribution(entry.dataset, entry.version, file.name),
        "name": file.name,
        "description": file_type(file.name).definition(language),
        "encodingFormat": file_type(file.name).properties["media_type"],
        "contentUrl": iris.download(entry.dataset, entry.version, file.name),
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
    """First to last day of all points."""
    periods = [parse_period(point.period) for one in series for point in one.points]
    if not periods:
        return ""
    return f"{min(p.start for p in periods).isoformat()}/{max(p.end for p in periods).isoformat()}"


def _words(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or next((text for text in texts.values() if text), "")


def _cleared(found: Json) -> Json:
    """Without what is not known: an empty property says nothing, and validators complain of it."""
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}
