"""Routes of the Action API at /api/3/action/…: GET with parameters, POST with JSON or a form."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request

from vaven.catalogue.ckan_api.datastore import datastore_search
from vaven.catalogue.ckan_api.packages import Package, PackageList
from vaven.catalogue.ckan_api.responses import ActionError, invalid, is_true, not_found, required, whole_number
from vaven.catalogue.ckan_api.search import package_search
from vaven.publisher.ckan.datastore import columns_of
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases.cache import CachedByState
from vaven.publisher.settings import Settings
from vaven.vocab import media_types
from vaven.vocab.messages import messages

# The CKAN version whose responses these are; clients read it before other requests.
CKAN_VERSION = "2.12.0"
MAX_ITEMS = 10_000
Parameters = Mapping[str, Any]
Action = Callable[[PackageList, Parameters], Any]
JSON_TYPE = "application/json;charset=utf-8"


def blueprint(settings: Settings, collection: Collection) -> Blueprint:
    pages = Blueprint("action", __name__)
    package_lists = CachedByState[str, PackageList](1)
    actions = _actions(settings, collection)

    @pages.route("/api/action/<name>", methods=["GET", "POST", "OPTIONS"])
    @pages.route("/api/3/action/<name>", methods=["GET", "POST", "OPTIONS"])
    def action(name: str) -> Response:
        package_list = package_lists.get(collection.state(), "", lambda: PackageList(settings, collection))
        return _with_cors(_respond(settings, actions, package_list, name))

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
        return _json({**about, "success": True, "result": actions[name](package_list, _parameters())})
    except ActionError as error:
        return _json({**about, "error": error.error, "success": False}, error.status)


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


def _actions(settings: Settings, collection: Collection) -> dict[str, Action]:
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
        path = collection.local(table.dataset, table.version, f"{table.name}.parquet")
        return datastore_search(table.name, path, {**parameters, "resource_id": identity})

    actions: dict[str, Action] = {
        "status_show": status_show,
        "site_read": lambda _, __: True,
        "help_show": _help,
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
        "datastore_info": _datastore_info,
    }
    return actions


def _help(_: PackageList, parameters: Parameters) -> str:
    name = required(parameters, "name")
    return f"{name}: see https://docs.ckan.org/en/2.12/api/#ckan.logic.action.get.{name}"


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
