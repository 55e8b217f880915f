"""Our Action API compared with a real CKAN that has the same datasets, and read by CKAN's own clients."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ckanapi import NotAuthorized, NotFound, RemoteCKAN, ValidationError

from tests.conftest import SAMPLE, Serving, environment, free_port, vaven
from tests.conftest import Site as OurSite
from tests.servers.ckan.instance import Ckan
from vaven.publisher.ckan.client import Site
from vaven.publisher.ckan.push import Plan, push
from vaven.publisher.ckan.run import current_datasets
from vaven.publisher.releases.records import Records
from vaven.publisher.releases.storage import Storage
from vaven.publisher.settings import Settings

SLUG = "exempel-tre-kommuner"
CHOSEN = '{"neighbourhood": "0180C6070", "kpi": ["tillit", "trygg-morker"]}'
CKANAPI = Path(sys.executable).with_name("ckanapi")


def ask(url: str, action: str, **params: Any) -> tuple[int, Any]:
    """Return status and JSON of a GET request, as a browser or R would send it."""
    address = f"{url.rstrip('/')}/api/3/action/{action}?{urllib.parse.urlencode(params)}"
    try:
        with urllib.request.urlopen(address, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture(scope="module")
def both(whole_way: OurSite, plain_ckan: Ckan) -> Iterator[tuple[str, str]]:
    """URLs of our site and of a CKAN with the same datasets."""
    settings = Settings(home=whole_way.home, base_iri=whole_way.url)
    with Records(settings.database) as records:
        datasets = [dataset for _, dataset in current_datasets(settings, records)]
    site = Site(plain_ckan.url, plain_ckan.token)
    for outcome in push(site, datasets, Storage(settings.storage, settings.home / "cache"), Plan()):
        assert outcome.error is None
    yield whole_way.url, plain_ckan.url
    for dataset in datasets:
        site.write("dataset_purge", id=dataset.name)
    site.close()


def shape(value: Any) -> Any:
    """Return keys and types at every depth; for a list, the structures of its items."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(inner), sort_keys=True) for inner in value})
    return "text or nothing" if value is None or isinstance(value, str) else type(value).__name__


def without(value: Any, *names: str) -> Any:
    if isinstance(value, dict):
        return {key: without(inner, *names) for key, inner in value.items() if key not in names}
    return [without(inner, *names) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("package_list", {}),
        ("package_list", {"limit": 1, "offset": 0}),
        ("package_show", {"id": SLUG}),
        ("package_search", {}),
        ("package_search", {"q": "trygghet", "facet.field": '["organization","groups","tags","res_format"]'}),
        ("package_search", {"q": "title:bostadsområden", "fq": "tags:trygghet", "sort": "name asc", "rows": 1}),
        ("organization_list", {}),
        ("organization_list", {"all_fields": "true"}),
        ("organization_show", {"id": "den-sociala-vaven"}),
        ("group_list", {}),
        ("group_list", {"all_fields": "true"}),
        ("group_show", {"id": "trygghet"}),
        ("tag_show", {"id": "trygghet"}),
        ("status_show", {}),
        ("current_package_list_with_resources", {"limit": 1}),
        ("package_autocomplete", {"q": "mpel"}),
        ("package_autocomplete", {"q": "finns-inte"}),
        ("resource_search", {"query": "format:CSV"}),
        ("vocabulary_list", {}),
    ],
    ids=str,
)
def test_responses_have_the_structure_of_ckan_s(both: tuple[str, str], action: str, params: dict[str, Any]) -> None:
    ours, theirs = (ask(url, action, **params) for url in both)
    assert ours[0] == theirs[0] == 200
    # CKAN shows who may edit a group; we have no such users.
    assert shape(without(ours[1], "users")) == shape(without(theirs[1], "users"))


def test_a_dataset_has_the_values_of_ckan_s(both: tuple[str, str]) -> None:
    drawn = (
        "id", "owner_org", "creator_user_id", "package_id", "created", "metadata_created", "metadata_modified", "help",
        "last_modified",
    )  # fmt: skip
    ours, theirs = (without(ask(url, "package_show", id=SLUG)[1]["result"], *drawn) for url in both)
    for dataset in (ours, theirs):
        dataset["extras"] = {extra["key"]: extra["value"] for extra in dataset["extras"]}
    assert ours == theirs


@pytest.mark.parametrize(
    "query",
    [
        {"q": "trygghet"},
        {"q": "Trygghet bostadsområden"},
        {"q": "finns-inte"},
        {"q": '"finns-inte"'},
        {"q": "saknasså-inte"},
        {"q": "saknasså inte"},
        {"q": "saknasså"},
        {"q": "title:saknasså-exempel"},
        {"fq": "notes:saknasså-inte"},
        {"q": "tags:trygghet"},
        {"q": "tags:finns"},
        {"fq": 'organization:"den-sociala-vaven"'},
        {"fq": "-organization:den-sociala-vaven"},
        {"fq": "groups:(trygghet OR arbete)"},
        {"fq": "res_format:CSV AND license_id:cc-zero"},
        {"fq": "license_id:cc-by"},
        {"fq": "metadata_modified:[2020-01-01T00:00:00Z TO *]"},
        {"fq": "name:exempel*"},
        {"q": "*:*", "sort": "metadata_modified desc, name asc"},
        {"q": "Ohälsotal"},
        {"q": "Overcrowded"},
        {"q": "bostad"},
        {"q": "title:bostad"},
        {"q": "title:bostad*"},
        {"q": "title:*områden"},
        {"q": "title:b?stadsområden"},
        {"q": "kommun"},
        {"q": "title:kommun"},
        {"q": "title:kommuner*"},
        {"q": 'title:"tre kommun"'},
        {"q": "notes:påhitt"},
        {"q": "påhittad"},
        {"q": "bostadsomraden"},
        {"q": "name:exempel"},
        {"q": "tags:trygg"},
        {"q": "tags:trygg*"},
        {"q": "Trygghets"},
        *(
            {"fq": f"metadata_modified:[{dates}]"}
            for dates in (
                "NOW-7DAYS TO NOW",
                "NOW-1DAY TO NOW+1DAY",
                "NOW/DAY-1DAY TO NOW/DAY+1DAY",
                "* TO NOW-1HOUR",
                "NOW-1MONTH/MONTH TO *",
                "NOW-1YEAR/YEAR TO NOW/YEAR",
                "NOW+2MONTHS-62DAYS TO NOW",
                "NOW+1YEAR TO *",
                "2020-01-01T00:00:00Z+6MONTHS TO NOW",
                "2020-01-01T00:00:00.123Z TO *",
                "NOW-1MILLISECOND TO *",
            )
        ),
        {"fq": "metadata_modified:{NOW-7DAYS TO NOW}"},
        {"fq": "metadata_created:[NOW-7DAYS/DAY TO NOW] AND name:exempel*"},
        {"fq": 'metadata_modified:"NOW/DAY"'},
        {"fq": "metadata_modified:*"},
    ],
    ids=str,
)
def test_searches_return_the_results_of_ckan_s(both: tuple[str, str], query: dict[str, str]) -> None:
    ours, theirs = (ask(url, "package_search", **query)[1]["result"]["count"] for url in both)
    assert ours == theirs


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("package_show", {"id": "finns-inte"}),
        ("package_show", {}),
        ("no_such_action", {}),
        ("package_search", {"rows": "x"}),
        ("package_search", {"sort": "nonsense"}),
        ("package_search", {"fq": "x:["}),
        ("package_search", {"fq": "metadata_modified:[NOW-1WEEK TO NOW]"}),
        ("package_search", {"fq": "metadata_modified:[TODAY TO NOW]"}),
        ("package_search", {"fq": "metadata_modified:[now-1day TO now]"}),
        ("package_search", {"fq": "metadata_modified:[2020 TO 2030]"}),
        ("package_search", {"fq": "metadata_modified:2026"}),
        ("package_autocomplete", {}),
        ("resource_search", {}),
        ("resource_search", {"query": "finns-inte"}),
        ("resource_search", {"query": "position:0"}),
        ("resource_search", {"query": "name:a", "limit": "x"}),
        ("help_show", {"name": "finns-inte"}),
        ("datastore_search_sql", {"sql": 'select * from "finns-inte"'}),
        ("datastore_search_sql", {"sql": "select * from pg_class"}),
        ("datastore_search_sql", {"sql": "select * from information_schema.tables"}),
        ("datastore_search_sql", {"sql": "select pg_sleep(1)"}),
        ("datastore_search_sql", {"sql": "select 1; select 2"}),
        ("datastore_search_sql", {"sql": "delete from x"}),
        ("datastore_search_sql", {"sql": "selec"}),
        ("organization_show", {"id": "finns-inte"}),
        ("resource_show", {"id": "finns-inte"}),
        ("datastore_search", {"resource_id": "finns-inte"}),
    ],
    ids=str,
)
def test_errors_have_the_form_of_ckan_s(both: tuple[str, str], action: str, params: dict[str, Any]) -> None:
    (our_status, ours), (their_status, theirs) = (ask(url, action, **params) for url in both)
    assert our_status == their_status
    if isinstance(theirs, dict):
        assert ours["error"].keys() == theirs["error"].keys()
        assert ours["error"]["__type"] == theirs["error"]["__type"]
    else:
        assert ours == theirs


def table_of(url: str) -> str:
    resources = ask(url, "package_show", id=SLUG)[1]["result"]["resources"]
    return str(next(r["id"] for r in resources if r["uri"].endswith("/observations.csv")))


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 5},
        {"limit": 0},
        {"limit": 3, "offset": 620},
        {"filters": CHOSEN, "sort": "kpi asc, period desc, sex asc"},
        {"filters": '{"value": 9}'},
        {"filters": '{"period": "2024"}', "fields": "kpi", "distinct": "true", "sort": "kpi"},
        {"fields": "kpi,value", "sort": "value desc, kpi asc", "limit": 4, "records_format": "lists"},
        {"limit": 2, "records_format": "csv"},
        {"include_total": "false", "limit": 1},
    ],
    ids=str,
)  # fmt: skip
def test_rows_equal_those_of_ckan_s_datastore(both: tuple[str, str], params: dict[str, Any]) -> None:
    ours, theirs = (
        without(
            ask(url, "datastore_search", resource_id=table_of(url), **params)[1]["result"], "resource_id", "filterops"
        )
        for url in both
    )
    assert ours == theirs


@pytest.mark.parametrize("plain", ["true", "false"])
@pytest.mark.parametrize(
    "q",
    [
        "tillit", "till", "till:*", "Tillit", "tillit & 2020", "tillit & 2019", "tillit | trygg", "!tillit", "!!tillit",
        "tillit & ! 2020", "tillit <-> 2020", "tillit <2> t", "tillit <3> 46.5", "(tillit | ohalsotal) & 2020", "T",
        "tillit 2020", "'tillit 2020'", "trygg-morker", "morker", "mork:*", "66", "66.7", "9", "a", "a | tillit", "!a",
        "register", "registers", "värdet", "väven:*", "Väven.", "0180c1010", "0180", "(tillit", "tillit &", "&", "()",
        "tillit | | 2020", "tillit\\",
    ],
)  # fmt: skip
def test_rows_are_searched_by_words_as_in_ckan_s_datastore(both: tuple[str, str], q: str, plain: str) -> None:
    responses = [ask(url, "datastore_search", resource_id=table_of(url), limit=0, q=q, plain=plain) for url in both]
    ours, theirs = ((s, body["result"]["total"] if s == 200 else body["error"].keys()) for s, body in responses)
    assert ours == theirs


@pytest.mark.parametrize(
    ("q", "plain"), [({"kpi": "tillit"}, 1), ({"kpi": "till"}, 1), ({"kpi": "till:*"}, 0), ({"value": "66.7"}, 1)]
)
def test_rows_are_searched_by_words_of_a_field(both: tuple[str, str], q: dict[str, str], plain: int) -> None:
    params = {"q": json.dumps(q), "plain": "true" if plain else "false", "limit": 0}
    ours, theirs = (ask(url, "datastore_search", resource_id=table_of(url), **params)[1]["result"] for url in both)
    assert ours["total"] == theirs["total"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"format": "tsv"},
        {"format": "json"},
        {"format": "xml"},
        {"bom": "true", "limit": 1},
        {"format": "json", "bom": "true", "fields": "kpi", "limit": 1},
        {"format": "xml", "bom": "1", "fields": "kpi,value,note,_id", "limit": 3},
        {"fields": "value,kpi", "limit": 2},
        {"fields": "kpi,value", "offset": 627},
        {"limit": "", "offset": 3},
        {"fields": "kpi,value", "sort": "value desc, _id", "limit": 20},
        {"filters": '{"kpi": "tillit"}', "format": "json"},
        {"distinct": "true", "fields": "kpi", "sort": "kpi", "limit": 3},
        {"plain": "false", "q": "till:*", "fields": "kpi"},
    ],
    ids=str,
)
def test_a_dump_has_the_bytes_of_ckan_s(both: tuple[str, str], params: dict[str, Any]) -> None:
    ours, theirs = (dump(url, table_of(url), **params) for url in both)
    assert len(theirs[1]) > 40
    assert ours == theirs


def dump(url: str, table: str, **params: Any) -> tuple[str, bytes]:
    """Return the name of the file and its content, with the id of the table left out of the name."""
    address = f"{url.rstrip('/')}/datastore/dump/{table}?{urllib.parse.urlencode(params)}"
    with urllib.request.urlopen(address, timeout=60) as response:
        return response.headers["Content-Disposition"].replace(table, "TABLE"), response.read()


def test_an_invalid_dump_is_refused_before_its_first_byte(whole_way: OurSite) -> None:
    table = table_of(whole_way.url)
    refused = {"format=x": 400, "limit=x": 400, "limit=-1": 400, "filters={": 400, "fields=x": 400, "sort=x": 400}
    for query, status in refused.items():
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{whole_way.url}datastore/dump/{table}?{query}", timeout=30)
        assert (error.value.code, error.value.headers.get_content_type()) == (status, "application/problem+json")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{whole_way.url}datastore/dump/finns-inte", timeout=30)
    assert error.value.code == 404


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT _id, kpi, period, value, sample_size, note FROM {table} ORDER BY _id",
        "SELECT kpi, count(*), avg(value), sum(sample_size) AS n FROM {table} GROUP BY kpi ORDER BY kpi",
        "SELECT kpi FROM {table} WHERE value > 50 AND period = '2024' AND kpi ILIKE 'TRYGG%' ORDER BY value LIMIT 3",
        "SELECT a.value - b.value AS d FROM {table} a JOIN {table} b ON a._id = b._id + 1 ORDER BY a._id",
        "SELECT 1 AS a, 2 AS a, 7/2, true, null AS n, 'x' AS x;",
        "SELECT value/3, 100.0*numerator/nullif(denominator, 0) AS andel FROM {table} ORDER BY _id",
    ],
)  # fmt: skip
def test_sql_has_the_result_of_ckan_s_datastore(both: tuple[str, str], sql: str) -> None:
    ours, theirs = (
        without(ask(url, "datastore_search_sql", sql=sql.replace("{table}", f'"{table_of(url)}"'))[1]["result"], "sql")
        for url in both
    )
    assert ours == theirs


@pytest.mark.parametrize(
    "sql", ["SELECT nope FROM {table}", "SELECT * FROM {table} WHERE period = 2024", "SELECT sum(kpi) FROM {table}"]
)
def test_an_invalid_query_has_the_error_of_ckan_s_datastore(both: tuple[str, str], sql: str) -> None:
    ours, theirs = (ask(url, "datastore_search_sql", sql=sql.replace("{table}", f'"{table_of(url)}"')) for url in both)
    assert ours[0] == theirs[0] == 409
    assert ours[1]["error"].keys() == theirs[1]["error"].keys()
    assert ours[1]["error"]["info"].keys() == theirs[1]["error"]["info"].keys()
    # CKAN's message begins with the class of psycopg2's exception and ends with the position.
    assert ours[1]["error"]["query"][0].split(";")[0] in theirs[1]["error"]["query"][0]


def test_a_long_query_ends_at_the_deadline_while_others_are_answered(whole_way: OurSite) -> None:
    table = f'"{table_of(whole_way.url)}"'
    endless = f"SELECT count(*) FROM {table} a, {table} b, {table} c, {table} d"
    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(ask, whole_way.url, "datastore_search_sql", sql=endless) for _ in range(2)]
        time.sleep(2)
        assert ask(whole_way.url, "package_list")[1]["result"] == [SLUG]
        assert not any(one.done() for one in running)
        assert ask(whole_way.url, "datastore_search_sql", sql="SELECT 1 AS one")[1]["result"]["records"] == [{"one": 1}]
        for one in running:
            status, body = one.result()
            assert (status, body["error"].get("query")) == (409, ["Query took too long"])


def test_rows_of_a_withdrawn_dataset_can_no_longer_be_reached(tmp_path: Path) -> None:
    port = free_port()
    settings = environment(tmp_path, port)
    assert vaven("publish", SAMPLE / "exempel.xlsx", environment=settings).returncode == 0
    with Serving(tmp_path, port, settings) as site:
        table = table_of(site.url)
        sql = f'SELECT count(*) FROM "{table}"'
        assert ask(site.url, "datastore_search_sql", sql=sql)[1]["result"]["records"] == [{"count": 629}]
        done = site.run("withdraw", SLUG, "1", "--reason", "Fel enkät")
        assert done.returncode == 0, done.stdout + done.stderr
        assert ask(site.url, "datastore_search_sql", sql=sql)[0] == 404
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{site.url}datastore/dump/{table}", timeout=30)
        assert error.value.code == 404


def test_ckanapi_calls_the_actions_for_rows_and_lookups(whole_way: OurSite) -> None:
    table = table_of(whole_way.url)
    with RemoteCKAN(whole_way.url) as there:
        result = there.action.datastore_search_sql(sql=f'SELECT kpi, value FROM "{table}" ORDER BY _id LIMIT 2')
        assert [field["type"] for field in result["fields"]] == ["text", "numeric"]
        assert [record["value"] for record in result["records"]] == [9, 66.7]
        with pytest.raises(ValidationError) as invalid:
            there.action.datastore_search_sql(sql=f'SELECT nope FROM "{table}"')
        assert invalid.value.error_dict["query"] == ['column "nope" does not exist']
        with pytest.raises(NotAuthorized):
            there.action.datastore_search_sql(sql="SELECT * FROM pg_class")
        with pytest.raises(NotFound):
            there.action.datastore_search_sql(sql='SELECT * FROM "finns-inte"')
        assert {"cc-zero", "cc-by"} < {licence["id"] for licence in there.action.license_list()}
        assert [match["name"] for match in there.action.package_autocomplete(q="exempel")] == [SLUG]
        assert there.action.resource_search(query=["format:CSV", "name:observ"])["count"] == 1
        assert there.action.vocabulary_list() == []
        assert "datastore_search_sql" in there.action.help_show(name="datastore_search_sql")
        assert there.action.package_search(fq="metadata_modified:[NOW-1DAY TO NOW]")["count"] == 1
        assert there.action.package_search(fq="metadata_modified:[* TO NOW-1DAY]")["count"] == 0


@pytest.mark.parametrize(
    "params",
    [{"filters": '{"nope": "1"}'}, {"limit": "x"}, {"filters": "{"}, {"sort": "nope"}, {"fields": "nope"}],
    ids=str,
)
def test_an_invalid_query_for_rows_has_the_status_of_ckan_s(both: tuple[str, str], params: dict[str, Any]) -> None:
    ours, theirs = (ask(url, "datastore_search", resource_id=table_of(url), **params) for url in both)
    assert ours[0] == theirs[0] == 409
    assert ours[1]["error"].keys() == theirs[1]["error"].keys()


def test_jsonp_is_refused(whole_way: OurSite) -> None:
    status, body = ask(whole_way.url, "status_show", callback="f")
    assert (status, body["success"]) == (409, False)
    assert "CORS" in body["error"]["callback"][0] or "origin" in body["error"]["callback"][0]


def test_posts_of_every_media_type_are_read(whole_way: OurSite) -> None:
    address = f"{whole_way.url}api/3/action/package_show"
    for body, kind in (
        (b'{"id": "exempel-tre-kommuner"}', "application/json"),
        (b"id=exempel-tre-kommuner", "application/x-www-form-urlencoded"),
        (b'{"id": "exempel-tre-kommuner"}', "application/x-www-form-urlencoded"),
    ):
        request = urllib.request.Request(address, body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=30) as response:
            assert json.load(response)["result"]["name"] == SLUG
    for body in (b"{", b"[1]"):
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        assert refused.value.code == 400


def test_ckanapi_reads_the_site_as_a_ckan(whole_way: OurSite, tmp_path: Path) -> None:
    with RemoteCKAN(whole_way.url) as there:
        assert there.action.package_list() == [SLUG]
        assert there.action.package_show(id=SLUG)["num_resources"] > 5
        with pytest.raises(NotFound):
            there.action.package_show(id="finns-inte")
    # It starts its workers by the bare name of the command.
    variables = {**os.environ, "PATH": f"{CKANAPI.parent}:{os.environ['PATH']}"}
    dump = [str(CKANAPI), "dump", "datasets", "--all", "-r", whole_way.url]
    done = subprocess.run(dump, capture_output=True, text=True, timeout=120, check=False, env=variables)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["name"] for line in done.stdout.splitlines()] == [SLUG]
    search = [str(CKANAPI), "search", "datasets", "q=trygghet", "-r", whole_way.url]
    done = subprocess.run(search, capture_output=True, text=True, timeout=120, check=False, env=variables)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["name"] == SLUG
