"""package_search: CKAN's query language over the packages of a PackageList, without Solr.

`q` and `fq` are Lucene queries, parsed by luqum. Words are compared by their stems (words.py), without case and
accents. Only `*` and `?` match a part of a word.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from luqum.exceptions import ParseError
from luqum.parser import parser
from luqum.tree import (
    AndOperation,
    BoolOperation,
    Boost,
    FieldGroup,
    Fuzzy,
    Group,
    Item,
    Not,
    OrOperation,
    Phrase,
    Plus,
    Prohibit,
    Proximity,
    Range,
    SearchField,
    UnknownOperation,
    Word,
)

from vaven.catalogue.ckan_api.dates import solr_date
from vaven.catalogue.ckan_api.packages import Package, PackageList, facets, values_of
from vaven.catalogue.ckan_api.responses import ActionError, invalid, whole_number
from vaven.catalogue.ckan_api.words import WORD, folded, folded_stem

TEXT_FIELDS = ("text", "title", "notes")
DATE_FIELDS = ("metadata_created", "metadata_modified")
MOST_ROWS = 1_000
SORT_FIELDS = ("score", "name", "title_string", "title", "metadata_modified", "metadata_created", "id", "views_recent")
SORT = re.compile(r"\s*(\w+)(?:\s+(asc|desc))?\s*", re.IGNORECASE)
DEFAULT_SORT = "score desc, metadata_modified desc"
# CKAN's qf: name^4 title^4 tags^2 groups^2 text.
WEIGHTS = {"name": 4, "title": 4, "tags": 2, "groups": 2}


def package_search(package_list: PackageList, parameters: Mapping[str, Any]) -> dict[str, Any]:
    query, sort = str(parameters.get("q") or "*:*"), str(parameters.get("sort") or DEFAULT_SORT)
    rows = whole_number(parameters, "rows", 10, most=MOST_ROWS)
    start = whole_number(parameters, "start", 0, most=10**9)
    facet_fields = _fields(parameters)
    limit = (
        int(parameters.get("facet.limit", 50)) if str(parameters.get("facet.limit", 50)).lstrip("-").isdigit() else 50
    )
    filtered = [p for p in package_list.packages.values() if _matches(_parsed(_filter(parameters)), p)]
    scored = [(score, p) for p in filtered if (score := _score(query, p))]
    ordered = _sorted(scored, sort)
    counts_by_field = facets(ordered, facet_fields, limit)
    return {
        "count": len(ordered),
        "facets": {field: dict(counts) for field, counts in counts_by_field.items()},
        "results": ordered[start : start + rows],
        "sort": sort,
        "search_facets": {
            field: _search_facet(package_list, field, counts) for field, counts in counts_by_field.items()
        },
    }


def _fields(parameters: Mapping[str, Any]) -> list[str]:
    """Return facet.field: a JSON list, or a list in a POST."""
    value = parameters.get("facet.field") or []
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as cause:
            raise invalid("facet.field", "Only alphanumeric field names in a JSON list are taken") from cause
    if not isinstance(value, list) or not all(isinstance(field, str) for field in value):
        raise invalid("facet.field", "Must be a list of names")
    return value


def _filter(parameters: Mapping[str, Any]) -> str:
    """Combine fq and all of fq_list with AND."""
    parts = [parameters.get("fq") or "", *(parameters.get("fq_list") or [])]
    return " AND ".join(f"({part})" for part in parts if str(part).strip()) or "*:*"


def _search_facet(package_list: PackageList, field: str, counts: Mapping[str, int]) -> dict[str, Any]:
    titles = {**package_list.organisations, **package_list.groups} if field in ("organization", "groups") else {}
    items = [
        {"name": name, "display_name": titles.get(name, {}).get("title", name), "count": count}
        for name, count in counts.items()
    ]
    return {"title": field, "items": items}


def _sorted(scored: Sequence[tuple[int, Package]], sort: str) -> list[Package]:
    """Sort by several fields, the first one being primary. Raises ActionError like Solr for an unsortable field."""
    pairs = list(scored)
    for part in reversed(sort.split(",")):
        match = SORT.fullmatch(part)
        if not match or match[1] not in SORT_FIELDS:
            raise ActionError(
                400, "Search Query Error", message="Search Query is invalid: 'Invalid \"sort\" parameter'"
            )
        pairs.sort(key=_sort_key(match[1]), reverse=(match[2] or "asc").lower() == "desc")
    return [package for _, package in pairs]


def _sort_key(field: str) -> Callable[[tuple[int, Package]], Any]:
    if field == "score":
        return lambda pair: pair[0]
    if field == "views_recent":
        return lambda _: 0
    name = "title" if field == "title_string" else field
    return lambda pair: folded(str(pair[1][name])) if name == "title" else pair[1][name]


def _score(query: str, package: Package) -> int:
    """Score a package by `q`, 0 if it does not match. A query with a colon is Lucene's, else words (Solr: dismax)."""
    if query.strip() in ("*:*", "*"):
        return 1
    if ":" in query:
        return int(_matches(_parsed(query), package))
    terms = [term for term in re.findall(r'"[^"]+"|\S+', query) if WORD.search(term)]
    matches = [term for term in terms if _has_term(package, "text", term)]
    if len(matches) < _required_count(len(terms)):
        return 0
    return sum(1 + sum(w for f, w in WEIGHTS.items() if _has_term(package, f, term)) for term in matches)


def _required_count(count: int) -> int:
    """Return the number of words that must match: all of two, all but one up to five, then 80 % (mm=2<-1 5<80%)."""
    return count if count <= 2 else count - 1 if count <= 5 else int(count * 0.8)


@lru_cache(maxsize=256)
def _parsed(query: str) -> Item:
    try:
        return parser.parse(query)
    except ParseError as cause:
        raise ActionError(409, "Search Error", message=f"Search error: cannot parse '{query}': {cause}") from cause


def _matches(node: Item, package: Package, field: str = "text") -> bool:
    """Match a package against a node of a Lucene query. Adjacent words must all match (q.op=AND)."""
    match node:
        case SearchField():
            return (node.name, str(node.expr)) == ("*", "*") or _matches(node.expr, package, node.name)
        case Group() | FieldGroup() | Plus() | Boost() | Fuzzy() | Proximity():
            return _matches(node.children[0], package, field)
        case Not() | Prohibit():
            return not _matches(node.children[0], package, field)
        case OrOperation():
            return any(_matches(child, package, field) for child in node.children)
        case AndOperation() | UnknownOperation() | BoolOperation():
            return all(_matches(child, package, field) for child in node.children)
        case Range() if field in DATE_FIELDS:
            return _contains_moment(node, package[field])
        case Range():
            return any(_within(node, value) for value in values_of(package, field))
        case Phrase() | Word() if field in DATE_FIELDS and node.value != "*":
            return _moment(package[field]) == _millisecond(solr_date(str(node.value), datetime.now(UTC)))
        case Phrase():
            return _has(package, field, str(node.value)[1:-1])
        case Word() if field in TEXT_FIELDS and node.value != "*":
            words = WORD.findall(node.unescaped_value)
            if node.has_wildcard():
                return _has_pattern(package, field, node.value)
            return bool(words) and all(_has_words(package, field, word) for word in words)
        case Word():
            return _has(package, field, node.unescaped_value)
    raise ActionError(409, "Search Error", message=f"Search error: {node} is not understood")


def _within(node: Range, value: str) -> bool:
    low, high = str(node.low), str(node.high)
    is_above = low == "*" or (value >= low if node.include_low else value > low)
    return is_above and (high == "*" or (value <= high if node.include_high else value < high))


def _contains_moment(node: Range, value: str) -> bool:
    """Match a moment of a package against a range of dates, both to the millisecond as in Solr."""
    now, moment = datetime.now(UTC), _moment(value)
    ends = [str(end) for end in (node.low, node.high)]
    low, high = (None if end == "*" else _millisecond(solr_date(end, now)) for end in ends)
    is_above = low is None or (moment >= low if node.include_low else moment > low)
    return is_above and (high is None or (moment <= high if node.include_high else moment < high))


def _moment(text: str) -> datetime:
    return _millisecond(datetime.fromisoformat(text).replace(tzinfo=UTC))


def _millisecond(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _has(package: Package, field: str, text: str) -> bool:
    """Match a value of a field: texts by words, other fields as a whole. `*` and `?` are wildcards."""
    if text == "*":
        return field == "text" or bool(values_of(package, field))
    if field in TEXT_FIELDS:
        return _has_words(package, field, text)
    if "*" in text or "?" in text:
        return any(_pattern(text).fullmatch(value) for value in values_of(package, field))
    return text in values_of(package, field)


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    first, *others = ["".join("." if c == "?" else re.escape(c) for c in part) for part in text.split("*")]
    # An atomic group takes the first match of each part, so that no text makes the search backtrack.
    middle = "".join(f"(?>.*?{part})" for part in others[:-1])
    return re.compile(f"{first}{middle}{f'.*{others[-1]}' if others else ''}", re.IGNORECASE | re.DOTALL)


def _has_pattern(package: Package, field: str, text: str) -> bool:
    """Match a word with wildcards, which is not stemmed, against the stems of a field."""
    pattern = _pattern(folded(text))
    return any(pattern.fullmatch(word) for word in _words(package, field).split())


def _has_term(package: Package, field: str, term: str) -> bool:
    """Match a term of `q`: in quotes as a phrase, else any of its words, as Solr splits "sick-leave" in two."""
    parts = [term] if term.startswith('"') else WORD.findall(term)
    return any(_has_words(package, field, part) for part in parts)


def _has_words(package: Package, field: str, term: str) -> bool:
    """Match the words of a term in the field in sequence."""
    words = [folded_stem(word) for word in WORD.findall(term)]
    return bool(words) and f" {' '.join(words)} " in _words(package, field)


def _words(package: Package, field: str) -> str:
    """Return the stems of a field's words, each between blanks."""
    if field == "text":
        fields = ("name", "title", "notes", "author", "maintainer", "url")
        texts = [str(package.get(name) or "") for name in fields]
        texts += [entry["title"] for entry in package["groups"]] + [package["organization"]["title"]]
        texts += [tag["name"] for tag in package["tags"]] + [extra["value"] for extra in package["extras"]]
        texts += [r["name"] for r in package["resources"]]
    elif field in ("tags", "groups"):
        texts = [entry.get("title", entry["name"]) for entry in package[field]]
    else:
        texts = list(values_of(package, field))
    # Two blanks between texts, which no phrase spans.
    return "".join(f" {' '.join(folded_stem(word) for word in WORD.findall(text))} " for text in texts)
