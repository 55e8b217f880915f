"""The triples of observations as columns: which property is which column (docs/cube.md lists the triples)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from vaven.publisher.columnar.relations import (
    DECIMAL,
    INTEGER,
    VariableColumn,
    as_term,
    number_term,
    number_text,
    part_number,
)
from vaven.publisher.columns.observation_ids import FIRST_OBSERVATION, PART_BITS, QUANTITY
from vaven.publisher.columns.open import Columns
from vaven.publisher.columns.terms import RDF, iri, literal, split_literal
from vaven.schemas.standard.sql import DECIMALS
from vaven.vocab.iris import NAMESPACES as NS

RDF_TYPE = RDF + "type"
OBSERVATION_OF = NS["cube"] + "observation"
REPORT = NS["cids"] + "IndicatorReport"
TYPES = (NS["qb"] + "Observation", NS["cube"] + "Observation", REPORT)
HAS_MEASURE, HAS_NUMBER, MEASURE = NS["i72"] + "value", NS["i72"] + "hasNumericalValue", NS["i72"] + "Measure"

RESOURCE = VariableColumn("id", is_resource=True)
OBSERVATION = VariableColumn("id", is_resource=True, has_observations=True, has_terms=False)
QUANTITIES = OBSERVATION
NUMBER = VariableColumn("number", DECIMAL, DECIMALS, has_undefined=True)
TEXT = VariableColumn("text")
# The text of the term of an observation's quantity, and the tables that it is from.
QUANTITY_TERM = f"'<' || {{j}}m.measure_prefix || {{j}}q.segment || '/' || {number_text('{o}.value', NUMBER)}"
QUANTITY_JOINED = (
    ("parts AS {j}m", f"{{j}}m.number = {part_number('{o}.id')}"),
    ("terms AS {j}q", "{j}q.id = {o}.kpi"),
)


@dataclass(frozen=True)
class Property:
    """A property of observations: SQL over the alias `{o}`, and where it has a value.

    `joined` are further tables with the alias `{j}`, and the condition that joins them.
    """

    sql: str
    column: VariableColumn
    condition: str = ""
    joined: tuple[tuple[str, str], ...] = ()

    @property
    def is_of_reports(self) -> bool:
        return "is_report" in self.condition

    @property
    def column_name(self) -> str:
        """Return the name of the column with its values; "" if it is composed of several."""
        _, _, name = self.sql.partition("}.")
        return name if name.isidentifier() else ""


@cache
def properties(ontology: str) -> Mapping[str, Property]:
    """Return the properties of observations except rdf:type, by IRI; `ontology` is the catalogue's own namespace."""
    dimension, attribute, measure = NS["sdmx-dimension"], NS["sdmx-attribute"], NS["sdmx-measure"]
    number = NUMBER
    count = VariableColumn("number", DECIMAL, DECIMALS)
    report = "{o}.is_report"
    name = tuple(
        (
            f"names AS {{j}}{column[0]}",
            f"{{j}}{column[0]}.id = {{o}}.{column} AND {{j}}{column[0]}.part = {part_number('{o}.id')}",
        )
        for column in ("area", "kpi", "period")
    )
    span = (("periods AS {j}", "{j}.id = {o}.period"),)
    return {
        dimension + "refArea": Property("{o}.area", RESOURCE),
        ontology + "kpi": Property("{o}.kpi", RESOURCE),
        dimension + "refPeriod": Property("{o}.period", RESOURCE),
        dimension + "sex": Property("{o}.sex", RESOURCE),
        dimension + "age": Property("{o}.age", RESOURCE),
        measure + "obsValue": Property("{o}.value", number),
        attribute + "unitMeasure": Property("{o}.unit", RESOURCE),
        attribute + "obsStatus": Property("{o}.status", RESOURCE),
        ontology + "method": Property("{o}.method", RESOURCE, "{o}.method IS NOT NULL"),
        ontology + "numerator": Property("{o}.numerator", count, "{o}.numerator IS NOT NULL"),
        ontology + "denominator": Property("{o}.denominator", count, "{o}.denominator IS NOT NULL"),
        ontology + "sampleSize": Property(
            "{o}.sample_size", VariableColumn("number", INTEGER), "{o}.sample_size IS NOT NULL"
        ),
        ontology + "ciLower": Property("{o}.ci_lower", number, "{o}.ci_lower IS NOT NULL"),
        ontology + "ciUpper": Property("{o}.ci_upper", number, "{o}.ci_upper IS NOT NULL"),
        attribute + "comment": Property("{o}.note", TEXT, "{o}.note IS NOT NULL"),
        NS["qb"] + "dataSet": Property("{o}.graph", RESOURCE),
        NS["cube"] + "observedBy": Property("{o}.publisher", RESOURCE),
        NS["cids"] + "forIndicator": Property("{o}.kpi", RESOURCE, report),
        NS["cids"] + "forOrganization": Property("{o}.publisher", RESOURCE, report),
        NS["tove"] + "hasName": Property("{j}k.name || ', ' || {j}a.name || ', ' || {j}p.name", TEXT, report, name),
        NS["prov"] + "startedAtTime": Property("{j}.started", VariableColumn("id"), report, span),
        NS["prov"] + "endedAtTime": Property("{j}.ended", VariableColumn("id"), report, span),
        HAS_MEASURE: Property("{o}.quantity", QUANTITIES, report),
    }


@dataclass(frozen=True)
class OwnTriples:
    """Triples of observations with one property: SQL that selects s, p, o and g, and the columns of s and o.

    `subject_column` and `object_column` are the names of the columns with their ids, if they have some; `constant` is
    the term that every object is.
    """

    sql: str
    predicate: str
    subject: VariableColumn
    object: VariableColumn
    constant: str | None = None
    subject_column: str = "id"
    object_column: str = ""


def all_triples(ontology: str, ids: Mapping[str, int]) -> Iterator[OwnTriples]:
    """Yield all triples of observations, of their set and of their quantities, by property."""
    for own, property_ in properties(ontology).items():
        sql = triples_of(own, property_, ids)
        name = property_.column_name if property_.column.kind == "id" else ""
        yield OwnTriples(sql, own, OBSERVATION, property_.column, object_column=name)
    for kind in TYPES:
        where = " WHERE o.is_report" if kind == REPORT else ""
        sql = f"SELECT o.id AS s, {ids[RDF_TYPE]} AS p, {ids[kind]} AS o, o.graph AS g FROM observations AS o{where}"
        yield OwnTriples(sql, RDF_TYPE, OBSERVATION, RESOURCE, iri(kind))
    sql = f"SELECT o.observation_set AS s, {ids[OBSERVATION_OF]} AS p, o.id AS o, o.graph AS g FROM observations AS o"
    yield OwnTriples(sql, OBSERVATION_OF, RESOURCE, OBSERVATION, None, "observation_set", "id")
    for own, object_, column, constant in (
        (RDF_TYPE, str(ids[MEASURE]), RESOURCE, iri(MEASURE)),
        (HAS_NUMBER, number_text("o.value", NUMBER), TEXT, None),
    ):
        columns = f"o.quantity AS s, {ids[own]} AS p, {object_} AS o, o.graph AS g"
        sql = f"SELECT {columns} FROM observations AS o WHERE o.quantity = o.id + {QUANTITY}"
        yield OwnTriples(sql, own, QUANTITIES, column, constant, "quantity")


def unpivoted(ontology: str, ids: Mapping[str, int]) -> str:
    """Return SQL of all triples whose subjects are observations, in one scan: s, p, g, and the object as `o` or `t`.

    `o` is the id of the object, `t` the text of its term; one of the two is NULL.
    """
    tables, conditions = dict[str, None](), dict[str, None]()
    names, numbers, texts = [], [], []
    own_properties = dict(properties(ontology))
    # The text of a quantity costs two joins here, and a lookup of any observation or term seven.
    is_report = own_properties[HAS_MEASURE].condition
    own_properties[HAS_MEASURE] = Property(QUANTITY_TERM, VariableColumn("term"), is_report, QUANTITY_JOINED)
    for own, property_ in own_properties.items():
        for table, on in property_.joined:
            # Each table joins once, under its own alias.
            tables[table], conditions[on] = None, None
        condition = f"CASE WHEN {property_.condition} THEN {{}} END" if property_.condition else "{}"
        is_id = property_.column.kind == "id"
        names.append(str(ids[own]))
        value = property_.sql if is_id else as_term(property_.sql, property_.column)
        numbers.append(condition.replace("{}", f"({value})::BIGINT") if is_id else "NULL")
        texts.append("NULL" if is_id else condition.replace("{}", value))
    for kind in TYPES:
        names.append(str(ids[RDF_TYPE]))
        numbers.append(f"CASE WHEN {{o}}.is_report THEN {ids[kind]} END" if kind == REPORT else str(ids[kind]))
        texts.append("NULL")
    sources = ", ".join(("observations AS {o}", *tables))
    lists = ", ".join(
        f"unnest([{', '.join(items)}]) AS {n}" for n, items in zip("pot", (names, numbers, texts), strict=True)
    )
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    inner = f"SELECT {{o}}.id AS s, {lists}, {{o}}.graph AS g FROM {sources}{where}"
    inner = inner.replace("{o}", "o").replace("{j}", "j")
    return f"SELECT s, p, o, t, g FROM ({inner}) WHERE o IS NOT NULL OR t IS NOT NULL"


def statements(columns: Columns, number: int) -> list[tuple[str, str]]:
    """Return the properties and the texts of the objects of all triples whose subject is one observation.

    DuckDB plans `unpivoted` for ten times as long as this takes.
    """
    part, work = (number - FIRST_OBSERVATION) >> PART_BITS, columns.connection
    (cells,) = work.execute(f"SELECT * FROM part_{part}.columns WHERE id = {number}").fetchall()
    row = dict(zip((name for name, *_ in work.description), cells, strict=True))
    keys = [row[column] for column in ("kpi", "area", "period")]
    query = "SELECT id, name FROM names WHERE part = $1 AND id IN (SELECT unnest($2::BIGINT[]))"
    names = dict(work.execute(query, [part, keys]).fetchall())
    row["started"], row["ended"] = columns.periods[row["period"]]
    row[""] = ", ".join(names[key] for key in keys)
    columns.dictionary.load(
        value for value in row.values() if isinstance(value, int) and 0 <= value < FIRST_OBSERVATION
    )
    result = []
    for own, property_ in properties(f"{columns.base}ns#").items():
        value, column = row[property_.column_name], property_.column
        if value is None or (property_.is_of_reports and not row["is_report"]):
            continue
        if own == HAS_MEASURE:
            _, digits = split_literal(number_term(row["value"], NUMBER))
            # The IRI of a KPI ends with its segment.
            _, _, kpi = columns.dictionary.term(row["kpi"]).rpartition("/")
            term = iri(f"{columns.parts[part].measure_prefix}{kpi}/{digits}")
        elif column.kind == "id":
            term = columns.dictionary.term(value)
        else:
            term = literal(value) if column.kind == "text" else number_term(value, column)
        result.append((own, term))
    return result + [(RDF_TYPE, iri(kind)) for kind in TYPES if row["is_report"] or kind != REPORT]


def triples_of(own: str, property_: Property, ids: Mapping[str, int]) -> str:
    """Return SQL of all triples with one property of observations, as columns s, p, o and g."""
    joins = "".join(f", {table}" for table, _ in property_.joined)
    conditions = [c for c in (property_.condition, *(on for _, on in property_.joined)) if c]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    columns = f"{{o}}.id AS s, {ids[own]} AS p, {property_.sql} AS o, {{o}}.graph AS g"
    sql = f"SELECT {columns} FROM observations AS {{o}}{joins}{where}"
    return sql.replace("{o}", "o").replace("{j}", "j")


def is_own(own: str, ontology: str) -> bool:
    """Return whether a property occurs in triples of observations."""
    return own in properties(ontology) or own in (RDF_TYPE, OBSERVATION_OF, HAS_NUMBER)
