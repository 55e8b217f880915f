"""CSV on the Web: the metadata of each released table describes its CSV file, and tools find it."""

import csv
import io
import re
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urljoin

import pytest
import requests

from tests.conftest import Site

RELEASE = "dataset/exempel-tre-kommuner/1/"
TABLES = ("observations", "neighbourhoods", "actors", "investments", "targets")
ALLOWED = {"string", "decimal", "integer", "date"}


def described(site: Site, table: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return a table's metadata, found by the file's Link header, and the rows of the file that it names."""
    response = requests.get(f"{site.url}{RELEASE}{table}.csv", timeout=60)
    assert response.status_code == 200
    (link,) = [link for link in response.links.values() if link.get("type") == "application/csvm+json"]
    assert link["rel"] == "describedby"
    address = urljoin(response.url, link["url"])
    assert address == f"{site.url}{RELEASE}{table}.csv-metadata.json"
    description = requests.get(address, timeout=60)
    assert description.headers["Content-Type"] == "application/csvm+json"
    metadata: dict[str, Any] = description.json()
    assert urljoin(address, metadata["url"]) == response.url
    return metadata, list(csv.DictReader(io.StringIO(response.content.decode())))


@pytest.mark.parametrize("table", TABLES)
def test_every_cell_has_the_datatype_of_its_column(whole_way: Site, table: str) -> None:
    metadata, rows = described(whole_way, table)
    columns = metadata["tableSchema"]["columns"]
    assert [column["name"] for column in columns] == list(rows[0])
    assert all(column["titles"]["und"] == column["name"] for column in columns)
    assert all(column["titles"].keys() >= {"sv", "en"} for column in columns)
    for column in columns:
        kind = column["datatype"]
        base, rules = (kind["base"], kind) if isinstance(kind, dict) else (kind, {})
        assert base in ALLOWED
        for cell in (row[column["name"]] for row in rows):
            assert cell or not column["required"], column
            if cell and base in ("decimal", "integer"):
                assert Decimal(cell) >= Decimal(rules.get("minimum", "-Infinity"))
            if cell and "format" in rules:
                assert re.fullmatch(rules["format"], cell)
    key = metadata["tableSchema"]["primaryKey"]
    assert len({tuple(row[name] for name in key) for row in rows}) == len(rows)


def test_the_addresses_of_cells_are_those_of_the_data_cube(whole_way: Site) -> None:
    metadata, rows = described(whole_way, "observations")
    query = "SELECT DISTINCT ?p ?o { ?s a <http://purl.org/linked-data/cube#Observation> ; ?p ?o FILTER isIRI(?o) }"
    response = requests.get(f"{whole_way.url}sparql", params={"query": query, "format": "csv"}, timeout=60)
    published = {tuple(row) for row in csv.reader(io.StringIO(response.content.decode()))}
    templates = {
        c["name"]: (c["propertyUrl"], c["valueUrl"]) for c in metadata["tableSchema"]["columns"] if "valueUrl" in c
    }
    assert set(templates) == {"kpi", "sex", "age_group"}
    for name, (property_, template) in templates.items():
        for cell in {row[name] for row in rows}:
            # RFC 6570, sections 3.2.2 and 3.2.3.
            value = re.sub(r"{(\+?)\w+}", lambda m, cell=cell: quote(cell, safe="+/:" if m[1] else ""), template)
            assert (property_, value) in published


def test_an_unknown_table_has_no_metadata(whole_way: Site) -> None:
    assert requests.get(f"{whole_way.url}{RELEASE}x.csv-metadata.json", timeout=60).status_code == 404
    assert requests.get(f"{whole_way.url}dataset/none/1/observations.csv-metadata.json", timeout=60).status_code == 404
