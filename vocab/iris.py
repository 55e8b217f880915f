"""IRIs that Väven mints, and the namespaces of other vocabularies (DESIGN section 5).

The base IRI is configuration; no other module composes an IRI of ours.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from vaven.vocab.periods import parse_period

NAMESPACES = {
    "qb": "http://purl.org/linked-data/cube#",
    "sdmx-dimension": "http://purl.org/linked-data/sdmx/2009/dimension#",
    "sdmx-measure": "http://purl.org/linked-data/sdmx/2009/measure#",
    "sdmx-attribute": "http://purl.org/linked-data/sdmx/2009/attribute#",
    "sdmx-concept": "http://purl.org/linked-data/sdmx/2009/concept#",
    "sdmx-code": "http://purl.org/linked-data/sdmx/2009/code#",
    "cube": "https://cube.link/",
    "cids": "https://ontology.commonapproach.org/cids#",
    "i72": "http://ontology.eil.utoronto.ca/ISO21972/iso21972#",
    "tove": "http://ontology.eil.utoronto.ca/tove/organization#",
    "meta": "https://cube.link/meta/",
    "relation": "https://cube.link/relation/",
    "qudt": "http://qudt.org/schema/qudt/",
    "time": "http://www.w3.org/2006/time#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dcterms": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "prov": "http://www.w3.org/ns/prov#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "void": "http://rdfs.org/ns/void#",
    "sd": "http://www.w3.org/ns/sparql-service-description#",
    "spdx": "http://spdx.org/rdf/terms#",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "adms": "http://www.w3.org/ns/adms#",
    "dqv": "http://www.w3.org/ns/dqv#",
    "oa": "http://www.w3.org/ns/oa#",
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "odrs": "http://schema.theodi.org/odrs#",
    "sssom": "https://w3id.org/sssom/",
    "schema": "https://schema.org/",
    # cube.link and CIDS write schema.org with http, and IRIs are compared as strings.
    "sdo": "http://schema.org/",
    "sh": "http://www.w3.org/ns/shacl#",
    "unit": "http://qudt.org/vocab/unit/",
    "owl": "http://www.w3.org/2002/07/owl#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}

# Years, quarters and months have public IRIs; an own interval gets one of ours.
REFERENCE_PERIODS = {
    "year": "http://reference.data.gov.uk/id/gregorian-year/",
    "quarter": "http://reference.data.gov.uk/id/gregorian-quarter/",
    "month": "http://reference.data.gov.uk/id/gregorian-month/",
}


# ucschar of RFC 3987, section 2.2: controls, private use and noncharacters are outside, and a parser refuses them.
UCSCHAR = re.compile(
    "[\xa0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef"
    + "".join(f"{chr(plane << 16)}-{chr((plane << 16) + 0xFFFD)}" for plane in range(1, 14))
    + "\U000e1000-\U000efffd]"
)


# First path segments of the resources that belong to a dataset or to the catalogue.
OF_A_DATASET = ("dataset", "observation", "quantity", "target", "contact", "investment")
OF_THE_CATALOGUE = ("catalogue", "reference", "sparql", "series")
# Characters that end a dataset's slug in the paths of its resources: a slug contains none of them.
OWNER = re.compile(r"[/.#]")


@lru_cache(maxsize=1 << 16)
def segment(text: str) -> str:
    """Escape a text as one path segment of an IRI: RFC 3987 letters stay, characters reserved by RFC 3986 do not."""
    return "".join(c if c == "+" or UCSCHAR.match(c) else quote(c, safe="") for c in text)


@dataclass(frozen=True)
class Iris:
    """IRIs below one `base`, which ends in a slash. Each method returns an absolute IRI."""

    base: str

    def _id(self, *parts: str) -> str:
        return self.base + "id/" + "/".join(segment(part) for part in parts)

    @property
    def ontology(self) -> str:
        """Namespace of Väven's own classes and properties, including the final #."""
        return f"{self.base}ns#"

    @property
    def structure(self) -> str:
        """Data Structure Definition of all our cubes."""
        return f"{self.base}ns#structure"

    @property
    def mission(self) -> str:
        """Publisher of the catalogue, which maintains the KPI register."""
        return self.organisation("den-sociala-vaven")

    @property
    def catalogue(self) -> str:
        return self._id("catalogue")

    @property
    def reference(self) -> str:
        """Graph of reference data that datasets share: areas, organisations and the like."""
        return self._id("reference")

    @property
    def shared_graphs(self) -> tuple[str, str, str]:
        """Named graphs that belong to no dataset: vocabulary, catalogue and reference data."""
        return self.ontology.rstrip("#"), self.catalogue, self.reference

    @property
    def service(self) -> str:
        return self._id("sparql")

    @property
    def service_contact(self) -> str:
        return f"{self.service}#contact"

    @property
    def state(self) -> str:
        """Graph in which a remote store records the releases that it holds."""
        return self._id("sparql", "state")

    def example(self, slug: str) -> str:
        """Return the IRI of an example query in the endpoint."""
        return self._id("query", slug)

    def kpi(self, slug: str) -> str:
        return self._id("kpi", slug)

    def theme(self, slug: str) -> str:
        return self._id("theme", slug)

    def scheme(self, name: str) -> str:
        """Return the IRI of a SKOS concept scheme: kpi, theme, area, age, status, method."""
        return self._id("scheme", name)

    def area(self, area_vintage: str, code: str) -> str:
        """Return the IRI of an area.

        `area_vintage` is deso2018, deso2025, regso2020, regso2025, kommun, lan, or own (`code` then names the dataset).
        """
        return self._id("area", area_vintage, code)

    def geometry(self, area: str) -> str:
        """Return the IRI of the geometry of an area with that IRI; both are in the area's document."""
        return f"{area}#geometry"

    def checksum(self, resource: str) -> str:
        """Return the IRI of the checksum of a file or a submission; both are in the resource's document."""
        return f"{resource}#checksum"

    def timespan(self, resource: str) -> str:
        """Return the IRI of the temporal coverage, first to last day, of a dataset, a version of it or a series.

        Both are in the resource's document.
        """
        return f"{resource}#period"

    def organisation(self, number: str) -> str:
        """Return the IRI of an organisation by its number without a hyphen, or by a slug if it has no number."""
        bare = number.replace("-", "")
        return self._id("organisation", bare if bare.isascii() and bare.isdecimal() else number)

    def investment(self, slug: str) -> str:
        return self._id("investment", slug)

    def dataset(self, slug: str, version: int | None = None) -> str:
        return self._id("dataset", slug) if version is None else self._id("dataset", slug, str(version))

    def distribution(self, slug: str, version: int, file: str) -> str:
        return self._id("dataset", slug, str(version), file)

    def release_part(self, slug: str, version: int, *names: str) -> str:
        """Return the IRI of a part of a release: submission, validation, release, certificate, quality/{metric}.

        The name of a file has an extension, so the two cannot collide.
        """
        return self._id("dataset", slug, str(version), *names)

    def observation_set(self, slug: str, version: int) -> str:
        """Return the IRI of the cube.link observation set of a version: all its observations."""
        return self.release_part(slug, version, "observations")

    def constraint(self, slug: str, version: int) -> str:
        """Return the IRI of the cube.link constraint of a version, a SHACL shape of its observations."""
        return self.release_part(slug, version, "constraint")

    def measure(self, dataset: str, kpi: str, number: str) -> str:
        """Return the IRI of a quantity in a KPI's unit, shared by all observations of a dataset with that value.

        `number` is in the form of xsd:decimal. No fragment: the KPI's own document could not hold all its quantities.
        """
        return self._id("quantity", dataset, kpi, number)

    def provenance(self, slug: str, version: int | None = None) -> str:
        """Return the IRI of the provenance statement, in words, of a dataset or of one of its versions."""
        return self._id(*(["dataset", slug] if version is None else ["dataset", slug, str(version)]), "provenance")

    def series(self, publisher: str, slug: str) -> str:
        """Return the IRI of a dataset series, with its publisher's key: two publishers may choose the same slug."""
        return self._id("series", f"{publisher}.{slug}")

    def contact(self, dataset: str) -> str:
        return self._id("contact", dataset)

    def software(self, version: str) -> str:
        return self._id("software", f"vaven-{version}")

    def standard(self, version: str) -> str:
        """Return the IRI of a version of the standard for submissions, e.g. 1.0."""
        return self._id("standard", version)

    def rules(self, version: str) -> str:
        """Return the IRI of a version of the rule set that submissions are checked against."""
        return self._id("rules", version)

    def rule(self, code: str) -> str:
        return self._id("rule", code)

    def outside(self, scheme: str, outside: str) -> str:
        """Return an IRI of ours for an entry of an outside register that publishes no IRIs, as a target of mappings."""
        return self._id("outside", scheme, outside)

    def match(self, kpi: str, scheme: str, outside: str) -> str:
        """Return the IRI of a KPI's mapping to an outside register; `outside` is the entry's id."""
        return self._id("match", kpi, scheme, outside)

    @property
    def endpoint(self) -> str:
        """URL of the SPARQL endpoint."""
        return f"{self.base}sparql"

    def page(self, slug: str, version: int | None = None) -> str:
        """Return the URL of the page of a dataset or of one of its versions."""
        return f"{self.base}dataset/{segment(slug)}" + ("" if version is None else f"/{version}")

    def download(self, slug: str, version: int, file: str) -> str:
        """Return the URL of a file of a release."""
        return f"{self.page(slug, version)}/{segment(file)}"

    def dump(self, ending: str) -> str:
        """Return the URL of the dump of all published data; `ending` is nq.zst, nq.gz, nt.zst or nt.gz."""
        return f"{self.base}dump.{ending}"

    @property
    def void(self) -> str:
        """Document that describes all our RDF (VoID, section 7.2)."""
        return f"{self.base}.well-known/void"

    @property
    def everything(self) -> str:
        """The void:Dataset of all our RDF, which is the endpoint's default graph."""
        return f"{self.void}#all"

    def target(self, dataset: str, area: str, kpi: str, period: str) -> str:
        return self._id("target", dataset, area, kpi, parse_period(period).slug)

    def age(self, group: str) -> str:
        return self._id("age", group)

    def status(self, code: str) -> str:
        return self._id("status", code)

    def method(self, code: str) -> str:
        return self._id("method", code)

    def sector(self, code: str) -> str:
        return self._id("sector", code)

    def observation(self, dataset: str, area: str, kpi: str, period: str, sex: str, age: str) -> str:
        return self.observations_over([period], dataset, area, kpi, sex, age)[0]

    def observations_over(
        self, periods: Iterable[str], dataset: str, area: str, kpi: str, sex: str, age: str
    ) -> list[str]:
        """Return the IRIs of the observations of one time series; the parts that do not vary are composed once."""
        head = f"{self.observation_prefix(dataset)}{segment(area)}/{segment(kpi)}/"
        tail = f"/{segment(sex)}/{segment(age)}"
        return [f"{head}{segment(parse_period(period).slug)}{tail}" for period in periods]

    @property
    def observations(self) -> str:
        """IRI prefix of the observations of all datasets."""
        return f"{self.base}id/observation/"

    def observation_prefix(self, dataset: str) -> str:
        """Return the IRI prefix of a dataset's observations; segments for area, KPI, period, sex and age follow."""
        return self._id("observation", dataset) + "/"

    def period(self, text: str) -> str:
        period = parse_period(text)
        return REFERENCE_PERIODS[period.kind] + text if period.kind != "interval" else self._id("period", period.slug)

    def owner(self, iri: str) -> str | None:
        """Return the slug of the dataset that owns a resource, "" for the catalogue, or None if nobody owns it."""
        kind, _, rest = iri.removeprefix(f"{self.base}id/").partition("/")
        if kind == "area" and rest.startswith("own/"):
            return OWNER.split(rest.removeprefix("own/"), maxsplit=1)[0]
        # An actor without a number is known by its id in its dataset; no other organisation's key has a dot.
        if kind in OF_A_DATASET or (kind == "organisation" and "." in rest):
            return OWNER.split(rest, maxsplit=1)[0]
        return "" if kind in OF_THE_CATALOGUE else None

    def document(self, iri: str, ending: str = "") -> str:
        """Return the URL of the document about a resource; with an ending, in one format (Cool URIs, section 4.2)."""
        name = iri.removeprefix(f"{self.base}id/")
        return f"{self.base}doc/{name}.{ending}" if ending else f"{self.base}doc/{name}"

    @property
    def prefixes(self) -> dict[str, str]:
        """Prefixes of our endpoint and our Turtle, including our own."""
        ours = {name: f"{self.base}id/{name}/" for name in ("kpi", "theme", "area", "dataset", "investment")}
        return NAMESPACES | {"vaven": self.ontology} | ours
