"""Routes of the Action API: actions at /api/3/action/…, by GET or by POST with JSON or a form, and dumps of rows."""

import itertools
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound
from werkzeug.wsgi import FileWrapper

from vaven.catalogue.ckan_api.datastore import datastore_search
from vaven.catalogue.ckan_api.dump import dump
from vaven.catalogue.ckan_api.lookups import license_list, package_autocomplete, resource_search, vocabulary_list
from vaven.catalogue.ckan_api.packages import Package, PackageList, SearchableTable
from vaven.catalogue.ckan_api.responses import (
    ActionError,
    JsonFile,
    invalid,
    is_true,
    not_found,
    required,
    whole_number,
)
from vaven.catalogue.ckan_api.search import package_search
from vaven.catalogue.ckan_api.sql import datastore_search_sql, query_error
from vaven.catalogue.http.problem_details import problem
from vaven.catalogue.http.rate_limit import client_of
from vaven.publisher.ckan.datastore import columns_of
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases.cache import CachedByState
from vaven.publisher.settings import Settings
from vaven.publisher.sql.engine import SqlEngine
from vaven.vocab import media_types
from vaven.vocab.errors import QueryTooMany
from vaven.vocab.messages import messages

# The CKAN version whose responses these are; clients read it before other requests.
CKAN_VERSION = "2.12.0"
MAX_ITEMS = 10_000
Parameters = Mapping[str, Any]
Action = Callable[[PackageList, Parameters], Any]
JSON_TYPE = "application/json;charset=utf-8"
BLOCK = 1 << 16
DOCUMENTATION = "https://docs.ckan.org/en/2.12/"


@dataclass(frozen=True)
class SqlQueries:
    """The engine of datastore_search_sql, and the function that counts a query of a client or raises QueryTooMany."""

    engine: SqlEngine
    admit: Callable[[str], None]


def blueprint(settings: Settings, collection: Collection, queries: SqlQueries) -> Blueprint:
    pages = Blueprint("action", __name__)
    package_lists = CachedByState[str, PackageList](1)
    actions = _actions(settings, collection, queries)

    def current() -> PackageList:
        return package_lists.get(collection.state(), "", lambda: PackageList(settings, collection))

    @pages.route("/api/action/<name>", methods=["GET", "POST", "OPTIONS"])
    @pages.route("/api/3/action/<name>", methods=["GET", "POST", "OPTIONS"])
    def action(name: str) -> Response:
        return _with_cors(_respond(settings, actions, current(), name))

    @pages.get("/datastore/dump/<resource_id>")
    def rows(resource_id: str) -> Response:
        table = current().tables.get(resource_id)
        if not table:
            raise NotFound
        return _with_cors(_dump(resource_id, table, _path(collection, table)))

    @pages.get("/api/3")
    @pages.get("/api/3/")
    def version() -> Response:
        return _with_cors(_json({"version": 3}))

    return pages


def _respond(settings: Settings, actions: Mapping[str, Action], package_list: PackageList, name: str) -> Response:
    if request.method == "OPTIONS":
        return Response(status=204, headers={"Allow": "GET, HEAD, POST, OPTIONS"})
    if name not in actions:
        return _json(f"Bad request: Action name not known: {name}", 400)
    about = {"help": f"{settings.base_iri}api/3/action/help_show?name={name}"}
    try:
        if "callback" in request.args:
            # CKAN used to support JSONP; today all clients can use CORS.
            raise invalid("callback", "JSONP is not supported; ask without it, from any origin")
        result = actions[name](package_list, _parameters())
    except ActionError as error:
        response = _json({**about, "error": error.error, "success": False}, error.status)
        if error.retry_seconds:
            response.headers["Retry-After"] = str(error.retry_seconds)
        return response
    if isinstance(result, JsonFile):
        return _json_around(result, about)
    return _json({**about, "success": True, "result": result})


def _json_around(result: JsonFile, about: Mapping[str, Any]) -> Response:
    """Return a result that is in a file, without reading it into memory."""
    begin, end = f'{{"help": {json.dumps(about["help"])}, "success": true, "result": '.encode(), b"}"
    size = os.fstat(result.file.fileno()).st_size
    blocks: Iterable[bytes] = itertools.chain((begin,), FileWrapper(result.file, BLOCK), (end,))
    response = Response(blocks, content_type=JSON_TYPE)
    response.content_length = len(begin) + size + len(end)
    response.call_on_close(result.file.close)
    return response


def _dump(resource_id: str, table: SearchableTable, path: Path) -> Response:
    try:
        file, form = dump(table.name, path, request.args.to_dict())
    except ActionError as error:
        name = next((key for key in error.error if key != "__type"), "")
        return problem(400, "catalogue.bad-parameter", name=name)
    response = Response(FileWrapper(file, BLOCK), content_type=f"{form.media_type}; charset=utf-8")
    response.content_length = os.fstat(file.fileno()).st_size
    response.call_on_close(file.close)
    extension = request.args.get("format") or "csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{resource_id}.{extension}"'
    return response


def _path(collection: Collection, table: SearchableTable) -> Path:
    return collection.local(table.dataset, table.version, f"{table.name}.parquet")


def _parameters() -> Parameters:
    if request.method != "POST":
        return request.args.to_dict()
    if request.mimetype in (media_types.FORM, "multipart/form-data"):
        form = request.form.to_dict()
        # curl -d '{…}' sends JSON as the name of a form field, and CKAN accepts it.
        return form if form and not next(iter(form)).lstrip().startswith("{") else _object(next(iter(form), "") or "{}")
    return _object(request.get_data(as_text=True) or "{}")


def _object(text: str) -> Parameters:
    try:
        value = json.loads(text)
    except ValueError as cause:
        raise ActionError(400, "Bad request", message=f"JSON Error: {cause}") from cause
    if not isinstance(value, dict):
        raise ActionError(400, "Bad request", message="Request data JSON decoded to a list or a text, not an object")
    return value


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content, ensure_ascii=False), status=status, content_type=JSON_TYPE)


def _with_cors(response: Response) -> Response:
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
    response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, X-CKAN-API-KEY"
    return response


def _actions(settings: Settings, collection: Collection, queries: SqlQueries) -> dict[str, Action]:
    def status_show(_: PackageList, __: Parameters) -> Package:
        t = messages("sv", "publisher")
        return {
            "site_title": t("catalogue.title"),
            "site_description": t("catalogue.description"),
            "site_url": settings.base_iri.rstrip("/"),
            "error_emails_to": None,
            "locale_default": "sv",
            "extensions": ["datastore", "dcat"],
            "ckan_version": CKAN_VERSION,
        }

    def search_rows(package_list: PackageList, parameters: Parameters) -> Package:
        identity = parameters.get("resource_id") or parameters.get("id")
        if not identity:
            raise invalid("resource_id", "Missing value")
        table = package_list.tables.get(str(identity))
        if not table:
            raise not_found(f'Not found: Resource "{identity}" was not found.')
        return datastore_search(table.name, _path(collection, table), {**parameters, "resource_id": identity})

    def search_sql(package_list: PackageList, parameters: Parameters) -> JsonFile:
        client = client_of(request.remote_addr)
        try:
            queries.admit(client)
        except QueryTooMany as error:
            raise query_error(error) from error
        return datastore_search_sql(queries.engine, collection, package_list, parameters, client)

    actions: dict[str, Action] = {
        "status_show": status_show,
        "site_read": lambda _, __: True,
        "help_show": lambda _, parameters: _help(actions, parameters),
        "package_list": lambda package_list, parameters: _page(sorted(package_list.packages), parameters),
        "package_show": _package_show,
        "package_search": package_search,
        "current_package_list_with_resources": _latest,
        "organization_list": lambda package_list, parameters: _groups(
            package_list.organisations, parameters, "organizations"
        ),
        "organization_show": lambda package_list, parameters: _group_show(package_list, parameters, "organization"),
        "group_list": lambda package_list, parameters: _groups(package_list.groups, parameters, "groups"),
        "group_show": lambda package_list, parameters: _group_show(package_list, parameters, "group"),
        "tag_list": _tag_list,
        "tag_show": _tag_show,
        "resource_show": _resource_show,
        "datastore_search": search_rows,
        "datastore_search_sql": search_sql,
        "datastore_info": _datastore_info,
        "license_list": license_list,
        "package_autocomplete": package_autocomplete,
        "resource_search": resource_search,
        "vocabulary_list": vocabulary_list,
    }
    return actions


def _help(actions: Mapping[str, Action], parameters: Parameters) -> str:
    name = required(parameters, "name")
    if name not in actions:
        raise not_found("Not found: Action function not found")
    if name.startswith("datastore_"):
        own = "Differences: docs/ckan.md, Action API"
        return f"{name}: see {DOCUMENTATION}maintaining/datastore.html#ckanext.datastore.logic.action.{name}. {own}"
    return f"{name}: see {DOCUMENTATION}api/#ckan.logic.action.get.{name}"


def _page(names: Sequence[Any], parameters: Parameters) -> list[Any]:
    limit = whole_number(parameters, "limit", MAX_ITEMS, most=MAX_ITEMS)
    start = whole_number(parameters, "offset", 0, most=10**9)
    return list(names[start : start + limit])


def _package_show(package_list: PackageList, parameters: Parameters) -> Package:
    identity = parameters.get("name_or_id") or required(parameters, named="name_or_id")
    package = package_list.package(str(identity))
    if not package:
        raise not_found()
    return package


def _latest(package_list: PackageList, parameters: Parameters) -> list[Package]:
    return _page(sorted(package_list.packages.values(), key=lambda p: p["metadata_modified"], reverse=True), parameters)


def _groups(groups: Mapping[str, Package], parameters: Parameters, selection_key: str) -> list[Any]:
    """Return names, or with all_fields complete groups, sorted by `sort` ("title asc" by default)."""
    selection = parameters.get(selection_key)
    names = selection.split(",") if isinstance(selection, str) and selection else selection or list(groups)
    selected = [groups[name] for name in names if name in groups]
    field, _, direction = str(parameters.get("sort") or "title asc").strip().partition(" ")
    if field not in ("name", "title", "package_count", "created"):
        raise invalid("sort", f"Cannot sort by field `{field}`")
    selected.sort(key=lambda group: group[field], reverse=direction.strip().lower() == "desc")
    return _page(selected if is_true(parameters, "all_fields") else [group["name"] for group in selected], parameters)


def _group_show(package_list: PackageList, parameters: Parameters, kind: str) -> Package:
    groups = package_list.organisations if kind == "organization" else package_list.groups
    identity = required(parameters)
    group = groups.get(identity) or next((g for g in groups.values() if g["id"] == identity), None)
    if not group:
        raise not_found()
    packages = (
        {"packages": package_list.in_group(group["name"], kind)} if is_true(parameters, "include_datasets") else {}
    )
    # CKAN lists the editors; they are not public here.
    return {**group, **packages, "users": [], "extras": [], "groups": []}


def _tag_list(package_list: PackageList, parameters: Parameters) -> list[Any]:
    query = str(parameters.get("query") or parameters.get("q") or "").casefold()
    tags = [tag for name, tag in package_list.tags.items() if query in name.casefold()]
    return tags if is_true(parameters, "all_fields") else [tag["name"] for tag in tags]


def _tag_show(package_list: PackageList, parameters: Parameters) -> Package:
    identity = required(parameters)
    tag = package_list.tags.get(identity) or next((t for t in package_list.tags.values() if t["id"] == identity), None)
    if not tag:
        raise not_found()
    return tag


def _resource_show(package_list: PackageList, parameters: Parameters) -> Package:
    resource = package_list.resources.get(required(parameters))
    if not resource:
        raise not_found()
    return resource


def _datastore_info(package_list: PackageList, parameters: Parameters) -> Package:
    identity = str(parameters.get("resource_id") or required(parameters))
    table = package_list.tables.get(identity)
    if not table:
        raise not_found(f'Not found: Resource "{identity}" was not found.')
    return {"meta": {"id": identity, "table_type": "BASE TABLE"}, "fields": columns_of(table.name)}
