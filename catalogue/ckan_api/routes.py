"""The Action API at /api/3/action/…: GET with parameters, POST with JSON or a form, as CKAN's clients ask."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request

from vaven.catalogue.ckan_api.datastore import datastore_search
from vaven.catalogue.ckan_api.packages import Package, PackageList
from vaven.catalogue.ckan_api.responses import ActionError, invalid, is_true, not_found, required, whole_number
from vaven.catalogue.ckan_api.search import package_search
from vaven.publisher.ckan.datastore import columns_of
from vaven.publisher.published.collection import Collection
from vaven.publisher.settings import Settings
from vaven.vocab import media_types
from vaven.vocab.messages import messages

# CKAN's word for what we answer like; clients look at it before they ask.
CKAN_VERSION = "2.12.0"
MOST_LISTED = 10_000
Given = Mapping[str, Any]
Action = Callable[[PackageList, Given], Any]
# Parameters that clients may send in a GET as JSON or as words; all else stays text.
JSON_TYPE = "application/json;charset=utf-8"


def blueprint(settings: Settings, collection: Collection) -> Blueprint:
    pages = Blueprint("action", __name__)
    shelves = _Shelves(settings, collection)
    actions = _actions(settings, collection)

    @pages.route("/api/action/<name>", methods=["GET", "POST", "OPTIONS"])
    @pages.route("/api/3/action/<name>", methods=["GET", "POST", "OPTIONS"])
    def action(name: str) -> Response:
        return _open_to_all(_answer(settings, actions, shelves, name))

    @pages.get("/api/3")
    @pages.get("/api/3/")
    def version() -> Response:
        return _open_to_all(_json({"version": 3}))

    return pages


class _Shelves:
    """The shelf of what is visible now; a new one is built when something was published or withdrawn."""

    def __init__(self, settings: Settings, collection: Collection) -> None:
        self._settings, self._collection = settings, collection
        self._lock = threading.Lock()
        self._shelf: PackageList | None = None

    def now(self) -> PackageList:
        state = self._collection.state()
        with self._lock:
            if self._shelf is None or self._shelf.state != state:
                self._shelf = PackageList(self._settings, self._collection)
            return self._shelf


def _answer(settings: Settings, actions: Mapping[str, Action], shelves: _Shelves, name: str) -> Response:
    if request.method == "OPTIONS":
        return Response(status=204, headers={"Allow": "GET, HEAD, POST, OPTIONS"})
    if name not in actions:
        return _json(f"Bad request: Action name not known: {name}", 400)
    about = {"help": f"{settings.base_iri}api/3/action/help_show?name={name}"}
    try:
        if "callback" in request.args:
            # CKAN once wrapped its answer in a function's name; every client can read across origins by CORS now.
            raise invalid("callback", "JSONP is not supported; ask without it, from any origin")
        return _json({**about, "success": True, "result": actions[name](shelves.now(), _given())})
    except ActionError as error:
        return _json({**about, "error": error.error, "success": False}, error.status)


def _given() -> Given:
    if request.method != "POST":
        return request.args.to_dict()
    if request.mimetype in (media_types.FORM, "multipart/form-data"):
        form = request.form.to_dict()
        # curl -d '{…}' sends JSON under the name of a form, and CKAN takes it.
        return form if form and not next(iter(form)).lstrip().startswith("{") else _object(next(iter(form), "") or "{}")
    return _object(request.get_data(as_text=True) or "{}")


def _object(text: str) -> Given:
    try:
        found = json.loads(text)
    except ValueError as cause:
        raise ActionError(400, "Bad request", message=f"JSON Error: {cause}") from cause
    if not isinstance(found, dict):
        raise ActionError(400, "Bad request", message="Request data JSON decoded to a list or a text, not an object")
    return found


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content, ensure_ascii=False), status=status, content_type=JSON_TYPE)


def _open_to_all(answer: Response) -> Response:
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
    answer.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, X-CKAN-API-KEY"
    return answer


def _actions(settings: Settings, collection: Collection) -> dict[str, Action]:
    def status_show(_: PackageList, __: Given) -> Package:
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

    def search_rows(shelf: PackageList, given: Given) -> Package:
        identity = given.get("resource_id") or given.get("id")
        if not identity:
            raise invalid("resource_id", "Missing value")
        table = shelf.tables.get(str(identity))
        if not table:
            raise not_found(f'Not found: Resource "{identity}" was not found.')
        path = collection.local(table.dataset, table.version, f"{table.name}.parquet")
        return datastore_search(table.name, path, {**given, "resource_id": identity})

    shown: dict[str, Action] = {
        "status_show": status_show,
        "site_read": lambda _, __: True,
        "help_show": _help,
        "package_list": lambda shelf, given: _page(sorted(shelf.packages), given),
        "package_show": _package_show,
        "package_search": package_search,
        "current_package_list_with_resources": _latest,
        "organization_list": lambda shelf, given: _groups(shelf.organisations, given, "organizations"),
        "organization_show": lambda shelf, given: _group_show(shelf, given, "organization"),
        "group_list": lambda shelf, given: _groups(shelf.groups, given, "groups"),
        "group_show": lambda shelf, given: _group_show(shelf, given, "group"),
        "tag_list": _tag_list,
        "tag_show": _tag_show,
        "resource_show": _resource_show,
        "datastore_search": search_rows,
        "datastore_info": _datastore_info,
    }
    return shown


def _help(_: PackageList, given: Given) -> str:
    name = required(given, "name")
    return f"{name}: see https://docs.ckan.org/en/2.12/api/#ckan.logic.action.get.{name}"


def _page(names: Sequence[Any], given: Given) -> list[Any]:
    limit = whole_number(given, "limit", MOST_LISTED, most=MOST_LISTED)
    start = whole_number(given, "offset", 0, most=10**9)
    return list(names[start : start + limit])


def _package_show(shelf: PackageList, given: Given) -> Package:
    identity = given.get("name_or_id") or required(given, named="name_or_id")
    found = shelf.package(str(identity))
    if not found:
        raise not_found()
    return found


def _latest(shelf: PackageList, given: Given) -> list[Package]:
    return _page(sorted(shelf.packages.values(), key=lambda p: p["metadata_modified"], reverse=True), given)


def _groups(found: Mapping[str, Package], given: Given, chosen_by: str) -> list[Any]:
    """Names, or whole groups with all_fields; sorted as asked, "title asc" if not."""
    wanted = given.get(chosen_by)
    names = wanted.split(",") if isinstance(wanted, str) and wanted else wanted or list(found)
    listed = [found[name] for name in names if name in found]
    field, _, direction = str(given.get("sort") or "title asc").strip().partition(" ")
    if field not in ("name", "title", "package_count", "created"):
        raise invalid("sort", f"Cannot sort by field `{field}`")
    listed.sort(key=lambda group: group[field], reverse=direction.strip().lower() == "desc")
    return _page(listed if is_true(given, "all_fields") else [group["name"] for group in listed], given)


def _group_show(shelf: PackageList, given: Given, kind: str) -> Package:
    listed = shelf.organisations if kind == "organization" else shelf.groups
    identity = required(given)
    found = listed.get(identity) or next((g for g in listed.values() if g["id"] == identity), None)
    if not found:
        raise not_found()
    packages = {"packages": shelf.in_group(found["name"], kind)} if is_true(given, "include_datasets") else {}
    # CKAN shows who may edit; that is nobody's business here.
    return {**found, **packages, "users": [], "extras": [], "groups": []}


def _tag_list(shelf: PackageList, given: Given) -> list[Any]:
    query = str(given.get("query") or given.get("q") or "").casefold()
    found = [tag for name, tag in shelf.tags.items() if query in name.casefold()]
    return found if is_true(given, "all_fields") else [tag["name"] for tag in found]


def _tag_show(shelf: PackageList, given: Given) -> Package:
    identity = required(given)
    found = shelf.tags.get(identity) or next((t for t in shelf.tags.values() if t["id"] == identity), None)
    if not found:
        raise not_found()
    return found


def _resource_show(shelf: PackageList, given: Given) -> Package:
    found = shelf.resources.get(required(given))
    if not found:
        raise not_found()
    return found


def _datastore_info(shelf: PackageList, given: Given) -> Package:
    identity = str(given.get("resource_id") or required(given))
    table = shelf.tables.get(identity)
    if not table:
        raise not_found(f'Not found: Resource "{identity}" was not found.')
    return {"meta": {"id": identity, "table_type": "BASE TABLE"}, "fields": columns_of(table.name)}
