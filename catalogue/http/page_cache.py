"""Pages that are kept as long as what is published stays the same, each packed once for all who read it."""

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Blueprint, Response, g, request

from vaven.catalogue.http.content_coding import encoding
from vaven.publisher.rdf.compression import IDENTITY, SMALLEST, packing
from vaven.vocab import media_types

# What a page costs beside its bytes: its address, and the table.
ENTRY_BYTES = 1024
HTML = "text/html; charset=utf-8"


@dataclass
class _Page:
    """The bytes of a page by content encoding, and the entity tag that they share but for the encoding's name."""

    tag: str
    forms: dict[str, bytes] = field(default_factory=dict)


def tells_the_moment() -> None:
    """Say that the page of this request is not to be kept: it tells what may change at any time."""
    g.is_of_the_moment = True


class PageCache:
    """Pages by address and language, in `room` bytes. None is sent that is of an older state."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._pages: OrderedDict[tuple[str, str], _Page] = OrderedDict()
        self._state, self._used = "", 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """The bytes that all pages take."""
        return self._used

    def cover(self, blueprint: Blueprint, state: Callable[[], str]) -> None:
        """Have pages kept that depend on nothing but address, language, and what `state` names.

        A page that tells more than that says so by `tells_the_moment`.
        """

        @blueprint.before_request
        def kept() -> Response | None:
            if request.method not in ("GET", "HEAD"):
                return None
            g.page_state = state()
            page = self._find(g.page_state, _key())
            return self._answer(page) if page else None

        @blueprint.after_request
        def keep(answer: Response) -> Response:
            is_page = answer.status_code == 200 and answer.mimetype == media_types.HTML and not answer.get_etag()[0]
            if not is_page or "page_state" not in g:
                return answer
            plain = answer.get_data()
            page = _Page(hashlib.sha256(plain).hexdigest()[:32], {IDENTITY: plain})
            # What was published while the page was made may stand in it or not.
            if not g.get("is_of_the_moment") and g.page_state == state():
                self._keep(g.page_state, _key(), page)
            return self._answer(page)

    def _find(self, state: str, key: tuple[str, str]) -> _Page | None:
        with self._lock:
            if state != self._state:
                self._pages.clear()
                self._state, self._used = state, 0
            if page := self._pages.get(key):
                self._pages.move_to_end(key)
            return page

    def _keep(self, state: str, key: tuple[str, str], page: _Page) -> None:
        with self._lock:
            if state == self._state and key not in self._pages:
                self._pages[key] = page
                self._take(len(key[1]) + ENTRY_BYTES + len(page.forms[IDENTITY]))

    def _take(self, size: int) -> None:
        self._used += size
        while self._used > self._room:
            (_, address), gone = self._pages.popitem(last=False)
            self._used -= len(address) + ENTRY_BYTES + sum(map(len, gone.forms.values()))

    def _answer(self, page: _Page) -> Response:
        name = encoding(request.headers.get("Accept-Encoding"))
        plain = page.forms[IDENTITY]
        if name != IDENTITY and len(plain) >= SMALLEST:
            body = page.forms.get(name) or self._packed(page, name)
        else:
            name, body = IDENTITY, plain
        answer = Response(body, content_type=HTML)
        answer.headers["Cache-Control"] = "no-cache"
        answer.vary.add("Accept-Encoding")
        if name != IDENTITY:
            answer.headers["Content-Encoding"] = name
        answer.set_etag(page.tag if name == IDENTITY else f"{page.tag}-{name}")
        answer.make_conditional(request)
        return answer

    def _packed(self, page: _Page, name: str) -> bytes:
        target = io.BytesIO()
        with packing(name, target) as packed:
            packed.write(page.forms[IDENTITY])
        body = target.getvalue()
        with self._lock:
            if name not in page.forms:
                page.forms[name] = body
                if self._pages.get(_key()) is page:
                    self._take(len(body))
        return body


def _key() -> tuple[str, str]:
    return g.lang, request.full_path
