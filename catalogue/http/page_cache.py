"""A cache of rendered pages for one published state, each page compressed once for all its readers."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Blueprint, Response, g, request

from vaven.catalogue.http.content_coding import encoding
from vaven.publisher.rdf.compression import IDENTITY, MIN_COMPRESSED_BYTES, compressor
from vaven.publisher.releases.cache import CachedByState
from vaven.vocab import media_types

# The memory of a page beside its bytes: its path, and its entry in the table.
ENTRY_BYTES = 1024
HTML = "text/html; charset=utf-8"
# Language, and path with query string.
Key = tuple[str, str]


@dataclass
class _Page:
    """The bytes of a page by content coding, and the entity tag, to which a coding's name is appended."""

    tag: str
    bodies: dict[str, bytes] = field(default_factory=dict)


def exclude_from_cache() -> None:
    """Exclude the page of this request from the cache, as it shows what may change at any time."""
    g.is_excluded = True


class PageCache:
    """Pages by language and URL, in at most `size` bytes. No page of an older state is sent."""

    def __init__(self, size: int) -> None:
        self._pages = CachedByState[Key, _Page](size, cost=_bytes)

    @property
    def used(self) -> int:
        """The bytes of all cached pages."""
        return self._pages.used

    def cover(self, blueprint: Blueprint, state: Callable[[], str]) -> None:
        """Cache the pages of a blueprint, which must depend on their URL, the language and the published state only.

        A page that depends on more excludes itself by `exclude_from_cache`.
        """

        @blueprint.before_request
        def look_up() -> Response | None:
            if request.method not in ("GET", "HEAD"):
                return None
            g.page_state = state()
            page = self._pages.peek(g.page_state, _key())
            return self._response(page) if page else None

        @blueprint.after_request
        def store(response: Response) -> Response:
            is_complete = response.status_code == 200 and not response.get_etag()[0]
            if not is_complete or response.mimetype != media_types.HTML or "page_state" not in g:
                return response
            content = response.get_data()
            page = _Page(hashlib.sha256(content).hexdigest()[:32], {IDENTITY: content})
            # A release published during the rendering may be on the page or not.
            if not g.get("is_excluded") and g.page_state == state():
                self._pages.put(g.page_state, _key(), page)
            return self._response(page)

    def _response(self, page: _Page) -> Response:
        name = encoding(request.headers.get("Accept-Encoding"))
        if len(page.bodies[IDENTITY]) < MIN_COMPRESSED_BYTES:
            name = IDENTITY
        body = page.bodies[name] if name in page.bodies else self._compressed(page, name)
        response = Response(body, content_type=HTML)
        response.headers["Cache-Control"] = "no-cache"
        response.vary.add("Accept-Encoding")
        if name != IDENTITY:
            response.headers["Content-Encoding"] = name
        response.set_etag(page.tag if name == IDENTITY else f"{page.tag}-{name}")
        response.make_conditional(request)
        return response

    def _compressed(self, page: _Page, name: str) -> bytes:
        """Compress a page, and add the bytes to its entry if it is cached."""
        target = io.BytesIO()
        with compressor(name, target) as file:
            file.write(page.bodies[IDENTITY])
        page.bodies[name] = target.getvalue()
        if self._pages.peek(g.page_state, _key()) is page:
            self._pages.put(g.page_state, _key(), page)
        return page.bodies[name]


def _key() -> Key:
    return g.lang, request.full_path


def _bytes(key: Key, page: _Page) -> int:
    return len(key[1]) + ENTRY_BYTES + sum(map(len, page.bodies.values()))
