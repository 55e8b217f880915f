"""Content negotiation by the Accept headers of browsers and of widespread tools."""

import pytest
from flask import Flask, request

from vaven.catalogue.http.content_negotiation import best_document_format, best_media_type, links, prefers_html

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
RDFLIB = "application/rdf+xml,text/rdf+n3;q=0.9,application/xhtml+xml;q=0.5, */*;q=0.1"
JENA = "text/turtle,application/n-triples;q=0.9,application/ld+json;q=0.8,application/rdf+xml;q=0.7,*/*;q=0.3"
OWLAPI = "application/rdf+xml, application/xml; q=0.7, text/xml; q=0.6, text/plain; q=0.1, */*; q=0.09"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


@pytest.mark.parametrize(
    ("accept", "ending"),
    [
        (None, "ttl"),
        ("", "ttl"),
        ("*/*", "ttl"),
        ("*", "ttl"),
        (FIREFOX, "html"),
        (RDFLIB, "rdf"),
        (JENA, "ttl"),
        (OWLAPI, "rdf"),
        (JAVA, "html"),
        ("application/ld+json, application/json;q=0.9, */*;q=0.1", "jsonld"),
        ("application/json", "jsonld"),
        ('application/ld+json;profile="http://a.example/x,y";q=0.5, text/turtle;q=0.4', "jsonld"),
        ("application/rdf+xml;q=0.9,text/turtle;q=0.8", "rdf"),
        ("TEXT/TURTLE; Charset=UTF-8", "ttl"),
        ("text/turtle, text/html", "html"),
        ("text/turtle, text/html;q=0.9", "ttl"),
        ("text/html;q=0.5, */*", "ttl"),
        ("text/html;q=0, */*", "ttl"),
        ("text/turtle;q=0, */*", "jsonld"),
        ("text/turtle;q=0, text/*;q=0.1", "html"),
        ("text/n3", "ttl"),
        ("text/plain", "nt"),
        ("application/xml;q=0.4", "rdf"),
        ("image/png", None),
        ("application/n-quads", None),
        ("text/turtle;q=0", None),
        ("text/turtle;q=nan", None),
        (";;;,,=", None),
    ],
)
def test_the_media_type_with_the_highest_weight_is_served(accept: str | None, ending: str | None) -> None:
    assert best_document_format(accept) == ending


def test_the_most_specific_media_range_takes_precedence() -> None:
    offered = ["text/html", "text/turtle", "application/ld+json"]
    assert best_media_type("text/*;q=0.3, text/turtle;q=0.7, */*;q=0.5", offered) == "text/turtle"
    assert best_media_type("text/turtle;q=0.1, */*;q=0.5", offered) == "text/html"
    assert best_media_type("text/*;q=0, */*;q=0.5", offered) == "application/ld+json"


@pytest.mark.parametrize(("accept", "is_page"), [(FIREFOX, True), ("*/*", False), (JENA, False), (JAVA, True)])
def test_error_pages_are_for_browsers(accept: str, is_page: bool) -> None:
    with Flask(__name__).test_request_context(headers={"Accept": accept}):
        assert prefers_html(request) is is_page


def test_a_link_header_is_ascii() -> None:
    written = links([('/doc/area/own/å%2F"x>', "alternate", "text/turtle"), ("/", "canonical", "")])
    assert written == '</doc/area/own/%C3%A5%2F%22x%3E>; rel="alternate"; type="text/turtle", </>; rel="canonical"'
