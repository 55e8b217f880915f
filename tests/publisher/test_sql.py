"""Guarantees of SQL over released tables: PostgreSQL's results or a refusal, published values alone, and limits."""

import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from tests.conftest import ROOT, SAMPLE
from tests.servers.ckan.services import postgres as server
from tests.servers.process import workers
from vaven.publisher.ckan.datastore import columns_of
from vaven.publisher.settings import Settings
from vaven.publisher.sql.engine import QueryableTable, SqlEngine
from vaven.publisher.sql.errors import SqlError, SqlNotAuthorized
from vaven.publisher.sql.scope import UnknownTable
from vaven.publisher.sql.tables import open_tables
from vaven.vocab.errors import AnswerTooLarge, QueryMemoryExceeded, QueryTimeout, QueryTooMany

NAME = "3c6e1b1e-7c4a-4d9b-9c7b-0a6f1f2c9d11"
TABLE = f'"{NAME}"'
FIELDS = columns_of("observations")
EQUAL = [
    line
    for line in (ROOT / "tests" / "publisher" / "sql_equal.sql").read_text("utf-8").splitlines()
    if not line.startswith("--")
]
ENDLESS = "select count(*) from {table} a, {table} b, {table} c, {table} d"
Run = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the sample's observations as a release has them."""
    path = tmp_path_factory.mktemp("sql") / "observations.parquet"
    kinds = {"numeric": "DOUBLE", "bigint": "BIGINT"}
    columns = ", ".join(f"'{f['id']}': '{kinds.get(f['type'], 'VARCHAR')}'" for f in FIELDS)
    with duckdb.connect() as work:
        source = f"read_csv('{SAMPLE / 'package' / 'observations.csv'}', header = true, columns = {{{columns}}})"
        work.execute(f"COPY (FROM {source}) TO '{path}' (FORMAT parquet)")
    return path


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlEngine]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), query_seconds=20, query_memory_mb=1024, answer_mb=64)
    running = SqlEngine(settings)
    yield running
    running.close()


@pytest.fixture(scope="module")
def run(engine: SqlEngine, parquet: Path) -> Run:
    """Return the function that runs a query over the table {table}."""
    tables = {NAME: QueryableTable(parquet, FIELDS)}

    def execute(sql: str) -> dict[str, Any]:
        with engine.execute(sql.replace("{table}", TABLE), tables, "client") as file:
            result: dict[str, Any] = json.load(file)
        return result

    return execute


@pytest.fixture(scope="module")
def database(parquet: Path) -> Iterator["psycopg.Connection[Any]"]:
    """Run a PostgreSQL with the same table, made as CKAN makes it, and letters as in a production site."""
    with tempfile.TemporaryDirectory(prefix="vaven-postgres-") as folder, server(Path(folder)) as port:
        url = f"host=127.0.0.1 port={port} user=ckan dbname="
        with psycopg.connect(url + "postgres", autocommit=True) as admin:
            admin.execute("CREATE DATABASE datastore TEMPLATE template0 ENCODING 'utf-8' LOCALE 'C.UTF-8'")
        with psycopg.connect(url + "datastore", autocommit=True) as connection:
            columns = ", ".join(f'"{field["id"]}" {field["type"]}' for field in FIELDS)
            connection.execute(f"CREATE TABLE {TABLE} (_id serial, {columns})".encode())
            names = ", ".join(f'"{field["id"]}"' for field in FIELDS)
            with connection.cursor().copy(f"COPY {TABLE} ({names}) FROM STDIN (FORMAT csv, HEADER)".encode()) as copy:
                copy.write((SAMPLE / "package" / "observations.csv").read_bytes())
            yield connection


def in_postgresql(database: "psycopg.Connection[Any]", sql: str) -> tuple[list[tuple[str, str]], list[list[Any]]]:
    """Return names and types of the columns, and the rows, of a query that CKAN would wrap like this."""
    cursor = database.execute(
        f"SELECT * FROM ({sql.replace('{table}', TABLE).rstrip(';')}) AS blah LIMIT 32001".encode()
    )
    types = dict(database.execute("SELECT oid, typname FROM pg_type").fetchall())
    columns = [(column.name, str(types[column.type_code])) for column in cursor.description or ()]
    return columns, [[comparable(value) for value in row] for row in cursor]


def comparable(value: Any) -> Any:
    """Return a value as JSON has it: numbers as floating-point ones, dates as text."""
    if isinstance(value, bool) or value is None:
        return value
    return float(value) if isinstance(value, (int, float, Decimal)) else str(value)


def rows_of(result: Mapping[str, Any]) -> list[list[Any]]:
    return [[comparable(value) for value in record.values()] for record in result["records"]]


@pytest.mark.parametrize("sql", EQUAL)
def test_a_query_has_postgresql_s_result(run: Run, database: "psycopg.Connection[Any]", sql: str) -> None:
    columns, rows = in_postgresql(database, sql)
    result = run(sql)
    assert [(field["id"], field["type"]) for field in result["fields"]] == columns
    if len({name for name, _ in columns}) == len(columns):
        assert rows_of(result) == rows


class Expressions:
    """Random expressions of numbers, texts and conditions, mostly without parentheses."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def number(self, depth: int) -> str:
        choose = self.random.choice
        if depth == 0:
            return choose(["1", "2", "7", "2.5", "0.1", "value", "numerator", "sample_size", "_id", "-3", "'4'", "1e2"])
        one, two = self.number(depth - 1), self.number(depth - 1)
        return choose([
            f"{one} {choose('+-*/%')} {two}", f"({one})", f"- {one}", f"coalesce({one}, {two})", f"round({one}, 2)",
            f"({one})::{choose(['int', 'numeric', 'float8', 'bigint', 'numeric(10,2)'])}", f"nullif({one}, {two})",
            f"case when {self.condition(depth - 1)} then {one} else {two} end",
            f"{choose(['abs', 'floor', 'ceil', 'trunc'])}({one})",
        ])  # fmt: skip

    def text(self, depth: int) -> str:
        choose = self.random.choice
        if depth == 0:
            return choose(["kpi", "period", "sex", "'a'", "''", "'Trygg%'", "note", "status", "null"])
        one, two = self.text(depth - 1), self.text(depth - 1)
        start, length = self.random.randint(-2, 4), self.random.randint(0, 5)
        return choose([
            f"{one} || {two}", f"{one} || {self.number(0)}", f"{choose(['upper', 'lower', 'trim', 'reverse'])}({one})",
            f"substring({one}, {start}, {length})", f"({one})::text",
        ])  # fmt: skip

    def condition(self, depth: int) -> str:
        choose = self.random.choice
        if depth <= 0:
            return choose(["true", "false", "value > 50", "kpi = 'tillit'", "sex is null", "note like '%a%'", "null"])
        one, two = self.condition(depth - 1), self.condition(depth - 1)
        first, second = self.number(depth - 1), self.number(depth - 1)
        return choose([
            f"{first} {choose(['=', '<>', '<', '>', '<=', '>='])} {second}", f"{one} {choose(['and', 'or'])} {two}",
            f"{self.text(depth - 1)} {choose(['=', '<', 'like', 'ilike', 'not like'])} {self.text(depth - 1)}",
            f"not {one}", f"{first} is {choose(['null', 'not null', 'distinct from 1'])}", f"({one})",
            f"{one} is {choose(['true', 'not false', 'null'])}", f"{first} not between {second} and {self.number(0)}",
            f"{first} {choose(['in', 'not in'])} ({second}, {self.number(0)})",
        ])  # fmt: skip

    def query(self) -> str:
        expression = self.random.choice([self.number, self.text, self.condition])(self.random.randint(1, 3))
        where = self.condition(self.random.randint(0, 2))
        return f"select {expression} as x, _id from {{table}} where {where} order by _id limit 40"


@pytest.mark.parametrize("seed", range(2))
def test_no_random_query_has_another_result_than_in_postgresql(
    run: Run, database: "psycopg.Connection[Any]", seed: int
) -> None:
    expressions, compared = Expressions(seed), 0
    for _ in range(150):
        sql = expressions.query()
        try:
            result = run(sql)
            columns, rows = in_postgresql(database, sql)
        except (SqlError, psycopg.Error):
            # Refused here, or an error there, such as a division by zero in a row that is not evaluated here.
            continue
        assert [(field["id"], field["type"]) for field in result["fields"]] == columns, sql
        assert rows_of(result) == rows, sql
        compared += 1
    assert compared > 75


REFUSED = {
    "select _full_text from {table}": "not supported here: _full_text",
    "select distinct on (kpi) kpi from {table}": "not supported",
    "select 1 union select 2 union all (select 3 union select 4) limit 1 for update": "not supported",
    "select kpi from {table} natural join {table} b": "not supported",
    "select * from {table} tablesample system (10)": "not supported",
    "select * from {table}, lateral (select 1) x": "Invalid query AST element: Lateral",
    "select stddev(value::float8) from {table}": "not supported",
    "select (value + 1)::text from {table}": "not supported here: a computed number as text",
    "select kpi ~ '(?i)a' from {table}": "regular expression",
    "select kpi ~ '\\mtrygg' from {table}": "escape \\m",
    "select kpi ~ kpi from {table}": "not supported",
    "select 1 < 2 < 3": "parentheses",
    "select E'a\\n'": "Invalid query AST element",
    "select 1 limit 1 + 1": "not supported",
    "select sum(value order by kpi) from {table}": "Invalid query AST element: Order",
    "with recursive t(n) as (select 1 union all select n + 1 from t) select * from t": "RECURSIVE",
    "select '1.1.2020'::date": "write it as YYYY-MM-DD",
    "select kpi into x from {table}": "not supported",
    "select sqrt(value) from {table}": "cast it to double precision",
    "select value from {table} where period = 2024": "operator does not exist: text = integer",
    'select "Value" from {table}': 'column "Value" does not exist',
    "select value * 2 as v from {table} where v > 10": 'column "v" does not exist',
    "select value * 2 as v, v + 1 from {table}": 'column "v" does not exist',
    "select kpi, value from {table} group by kpi": 'column "value" must appear in the GROUP BY clause',
    "select sum(kpi) from {table}": "function sum(text) does not exist",
    "select lower(value) from {table}": "function lower(numeric) does not exist",
    "select value like '5%' from {table}": "operator does not exist: numeric ~~",
    "select value from {table} where value > 'abc'": 'invalid input syntax for type numeric: "abc"',
    "select kpi::int from {table}": "invalid input syntax for type integer",
    "select 1/0": "division by zero",
    "select 1.0/0": "division by zero",
    "select 5 % 0": "division by zero",
    "select 2147483647 + 1": "Overflow",
    "select 1; select 2": "Query is not a single statement",
    "": "Query is not a single statement",
    "selec": "Invalid",
    "delete from {table}": "Invalid query AST element: Delete",
    "insert into {table} values (1)": "Invalid query AST element: Insert",
    "drop table {table}": "Invalid query AST element: Drop",
    "copy {table} to '/tmp/x'": "Invalid query AST element: Copy",
    "set threads = 1": "Invalid query AST element: Set",
    "pragma database_list": "Invalid query AST element: Pragma",
    "attach '/tmp/x.db'": "Invalid SQL",
    "explain select 1": "Invalid query AST element",
    "values (1)": "Invalid query AST element: Values",
    "select * from read_csv('/etc/passwd')": "not supported here: a function in FROM",
    "select * from generate_series(1, 3)": "not supported here: a function in FROM",
    "select (" + "(" * 3000 + "1" + ")" * 3001: "nested so deeply",
    "select " + "1 + " * 5000 + "1": "nested so deeply",
    "select " + "1 / (" * 30 + "1" + ")" * 30: "length",
    "select '" + "x" * 100_000 + "'": "characters",
}


@pytest.mark.parametrize("sql", REFUSED, ids=lambda sql: sql[:60])
def test_a_query_that_cannot_have_postgresql_s_result_is_refused(run: Run, sql: str) -> None:
    with pytest.raises(SqlError) as refused:
        run(sql)
    assert REFUSED[sql] in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("select * from pg_class", SqlNotAuthorized),
        ("select * from pg_catalog.pg_class", SqlNotAuthorized),
        ("select * from information_schema.tables", SqlNotAuthorized),
        ("select pg_sleep(1)", SqlNotAuthorized),
        ("select getenv('HOME')", SqlNotAuthorized),
        ("select current_setting('allowed_paths')", SqlNotAuthorized),
        ("select read_text('/etc/passwd')", SqlNotAuthorized),
        ("select numeric_divide('1', '2')", SqlNotAuthorized),
        ("select lower(query('select 1'))", SqlNotAuthorized),
        ("select * from '/etc/passwd'", UnknownTable),
        ('select * from "/etc/passwd"', UnknownTable),
        ("select * from duckdb_settings", UnknownTable),
        ("select * from sqlite_master", UnknownTable),
        ('select * from "{path}"', UnknownTable),
        ("select * from t1", UnknownTable),
    ],
)
def test_nothing_but_the_tables_and_functions_of_the_list_can_be_used(
    run: Run, parquet: Path, sql: str, error: type[SqlError]
) -> None:
    with pytest.raises(error):
        run(sql.replace("{path}", str(parquet)))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '/tmp/vaven-sql'",
        "ATTACH '/tmp/vaven-sql.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_parquet('http://127.0.0.1/x.parquet')",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/passwd']",
        "RESET lock_configuration",
    ],
)
def test_the_database_itself_reads_the_named_files_alone(parquet: Path, sql: str) -> None:
    with open_tables({NAME: {"path": str(parquet), "fields": FIELDS}}, 500) as database:
        assert database.execute(f"SELECT count(*) FROM {TABLE}").fetchone() == (629,)
        with pytest.raises(duckdb.Error):
            database.execute(sql).fetchall()


def test_a_result_is_cut_at_ckan_s_limit_and_says_so(run: Run) -> None:
    result = run("select a._id from {table} a, {table} b")
    assert (len(result["records"]), result["records_truncated"]) == (32_000, True)
    assert "records_truncated" not in run("select _id from {table}")


def test_a_number_with_more_decimals_than_are_computed_is_an_error(tmp_path: Path, engine: SqlEngine) -> None:
    path = tmp_path / "observations.parquet"
    duckdb.sql(f"COPY (SELECT 0.00000000000015 AS value) TO '{path}' (FORMAT parquet)")
    tables = {NAME: QueryableTable(path, [{"id": "value", "type": "numeric"}])}
    with pytest.raises(SqlError, match="more than 12 decimals"):
        engine.execute(f"select value from {TABLE}", tables, "client")


def test_a_query_beyond_a_limit_ends_alone(run: Run, parquet: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, query_seconds=8, query_memory_mb=768, answer_mb=1)
    tables = {NAME: QueryableTable(parquet, FIELDS)}
    engine = SqlEngine(settings)
    cases = {
        ENDLESS: QueryTimeout,
        "select repeat('x', 2000000000)": QueryMemoryExceeded,
        "select string_agg(repeat(a.kpi, 10000), ',') from {table} a, {table} b": QueryMemoryExceeded,
        "select repeat(kpi, 10000) from {table}": AnswerTooLarge,
    }
    try:
        for sql, error in cases.items():
            started = time.monotonic()
            with pytest.raises(error):
                engine.execute(sql.replace("{table}", TABLE), tables, "client")
            assert time.monotonic() - started < 30
            with engine.execute("select 1 as one", tables, "client") as file:
                assert json.load(file)["records"] == [{"one": 1}]
    finally:
        engine.close()


def test_a_client_has_a_number_of_queries_at_a_time_and_leaves_room_for_others(parquet: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, query_seconds=6, query_memory_mb=768, queries_at_once=2)
    tables, engine = {NAME: QueryableTable(parquet, FIELDS)}, SqlEngine(settings)
    long = threading.Barrier(3)

    def occupy() -> str:
        long.wait()
        try:
            engine.execute(ENDLESS.replace("{table}", TABLE), tables, "greedy")
        except QueryTimeout:
            return "timeout"
        return "result"

    with ThreadPoolExecutor(2) as threads:
        occupied = [threads.submit(occupy) for _ in range(2)]
        long.wait()
        time.sleep(1.5)
        with pytest.raises(QueryTooMany):
            engine.execute("select 1", tables, "greedy")
        with engine.execute("select 1 as one", tables, "other") as file:
            assert json.load(file)["records"] == [{"one": 1}]
        assert [one.result() for one in occupied] == ["timeout", "timeout"]
    engine.close()


def test_no_worker_is_left_after_closing(parquet: Path, tmp_path: Path) -> None:
    engine = SqlEngine(Settings(home=tmp_path, query_memory_mb=768))
    others = workers(os.getpid())
    engine.execute("select 1", {}, "client").close()
    (worker,) = set(workers(os.getpid())) - set(others)
    engine.close()
    deadline = time.monotonic() + 10
    while worker in workers(os.getpid()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert worker not in workers(os.getpid())
