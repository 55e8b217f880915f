"""datastore_search_sql: a client's SELECT over the tables of published resources."""

from collections.abc import Callable, Mapping
from typing import Any

from vaven.catalogue.ckan_api.packages import PackageList, SearchableTable
from vaven.catalogue.ckan_api.responses import ActionError, JsonFile, required
from vaven.publisher.ckan.datastore import columns_of
from vaven.publisher.published.collection import Collection
from vaven.publisher.sql.engine import QueryableTable, SqlEngine
from vaven.publisher.sql.errors import SqlError
from vaven.vocab.errors import QueryBusy, QueryError, QueryTimeout

STATEMENT_ERRORS = ("Invalid ", "Query is not", "not supported")


def datastore_search_sql(
    engine: SqlEngine, collection: Collection, package_list: PackageList, parameters: Mapping[str, Any], client: str
) -> JsonFile:
    """Run the query in the parameter `sql`. Raises ActionError like CKAN."""
    sql = required(parameters, "sql")
    # A table is named by the id of its resource, in quotes, so that its id is in the text of the query.
    tables = {name: table for name, table in package_list.tables.items() if name in sql}
    with_files = {name: _queryable(collection, table) for name, table in tables.items()}
    try:
        return JsonFile(engine.execute(sql, with_files, client))
    except SqlError as error:
        raise _sql_error(error, sql) from error
    except QueryError as error:
        raise query_error(error) from error


def _queryable(collection: Collection, table: SearchableTable) -> QueryableTable:
    path = collection.local(table.dataset, table.version, f"{table.name}.parquet")
    return QueryableTable(path, columns_of(table.name))


def _sql_error(error: SqlError, sql: str) -> ActionError:
    message = str(error)
    makers: dict[str, Callable[[], ActionError]] = {
        "not-authorized": lambda: ActionError(403, "Authorization Error", message=f"Access denied: {message}"),
        "unknown-table": lambda: ActionError(404, "Not Found Error", message=f"Not found: {message}"),
    }
    if error.kind in makers:
        return makers[error.kind]()
    if message.startswith(STATEMENT_ERRORS):
        return ActionError(409, "Validation Error", message=message)
    info = {"statement": [sql], "params": [{}], "orig": [message]}
    return ActionError(409, "Validation Error", query=[message], info=info)


def query_error(error: QueryError) -> ActionError:
    """Return the error for a limit. CKAN has one of its own for the deadline alone."""
    if isinstance(error, QueryTimeout):
        return ActionError(409, "Validation Error", query=["Query took too long"])
    message = f"{error.message('en')} {error.remedy('en')}"
    retry_seconds = error.retry_seconds if isinstance(error, QueryBusy) else 0
    return ActionError(error.status, "Query Limit Error", retry_seconds, message=message)
