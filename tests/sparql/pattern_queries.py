"""Queries about the algebra: every pair of operators beside and inside each other, forms, paths, order and datasets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, product

KANTER, GRANNAR, REFERENCE, CATALOGUE, NS = (
    "<id/dataset/kanter>", "<id/dataset/grannar>", "<id/reference>", "<id/catalogue>", "<ns>",
)  # fmt: skip
ALL_GRAPHS = (KANTER, GRANNAR, REFERENCE, CATALOGUE, NS)
AGAIN = "dimension:refArea ?a ; measure:obsValue ?v ."
OBSERVATION = f"?o v:kpi <id/kpi/tillit> ; {AGAIN}"


@dataclass(frozen=True)
class Draft:
    """A query in parts: patterns in their order, and the operators of the solution sequence."""

    patterns: tuple[str, ...] = (OBSERVATION,)
    variables: tuple[str, ...] = ("?o", "?a", "?v")
    modifiers: frozenset[str] = frozenset()
    dataset: tuple[str, ...] = field(default=())

    def pattern(self, text: str, *variables: str) -> "Draft":
        new = tuple(name for name in variables if name not in self.variables)
        return replace(self, patterns=(*self.patterns, text), variables=self.variables + new)

    def modifier(self, *names: str) -> "Draft":
        return replace(self, modifiers=self.modifiers | set(names))

    @property
    def group(self) -> str:
        return "{ " + " ".join(self.patterns) + " }"

    def text(self, form: str = "select") -> str:
        """Return the query. A slice is always of a sequence that is ordered by all columns, so that it is defined."""
        dataset = " ".join(self.dataset)
        columns, names = self._columns()
        tail = self._tail(names)
        if form == "select":
            word = "DISTINCT " if "distinct" in self.modifiers else "REDUCED " if "reduced" in self.modifiers else ""
            return f"SELECT {word}{columns} {dataset} WHERE {self.group} {tail}"
        inner = self.group
        if self.modifiers & {"distinct", "reduced", "group", "having", "aggregate"}:
            inner = f"{{ {{ {replace(self, dataset=()).text()} }} }}"
            tail = ""
        if form == "ask":
            return f"ASK {dataset} {inner} {tail}"
        if form == "describe":
            return f"DESCRIBE {names[0]} {dataset} WHERE {inner} {tail}"
        template = " . ".join(f"<urn:row> <urn:column:{name[1:]}> {name}" for name in names)
        return f"CONSTRUCT {{ {template} }} {dataset} WHERE {inner} {tail}"

    def _columns(self) -> tuple[str, list[str]]:
        """Return the columns as SELECT has them, and their variables."""
        if not self.modifiers & {"group", "having", "aggregate"}:
            return " ".join(self.variables), list(self.variables)
        counted = self.variables[-1]
        columns = f"(COUNT({counted}) AS ?n) (COUNT(DISTINCT {counted}) AS ?m)"
        names = ["?n", "?m"]
        return (f"?a {columns}", ["?a", *names]) if self.modifiers & {"group", "having"} else (columns, names)

    def _tail(self, names: list[str]) -> str:
        parts = []
        if self.modifiers & {"group", "having"}:
            parts.append("GROUP BY ?a")
        if "having" in self.modifiers:
            parts.append("HAVING (COUNT(*) > 1)")
        if self.modifiers & {"order", "limit", "offset"}:
            keys = " ".join(f"STR({name}) LANG({name})" for name in names)
            parts.append(f"ORDER BY {keys}")
        parts += ["LIMIT 7"] * ("limit" in self.modifiers) + ["OFFSET 2"] * ("offset" in self.modifiers)
        return " ".join(parts)


# Patterns by operator: the text, and the variables that it binds.
SIMPLE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "filter": ("FILTER (isNumeric(?v) && ?v > 0.5)", ()),
    "bind": ("BIND (CONCAT(STR(?a), \"|\", STR(?v)) AS ?b)", ("?b",)),
    "values": ("VALUES ?a { <id/area/deso2018/0180C6070> <id/area/deso2018/1280C1430> <id/area/kommun/0180> }", ()),
    "path-sequence": ("?o dimension:refArea/skos:broader ?k .", ("?k",)),
    "path-alternative": ("?o v:method|attribute:obsStatus ?s .", ("?s",)),
    "path-inverse": ("?o ^cube:observation ?set .", ("?set",)),
    "path-zero-or-more": ("?a skos:broader* ?up .", ("?up",)),
    "path-one-or-more": ("?a skos:broader+ ?over .", ("?over",)),
    "path-zero-or-one": ("?a skos:broader? ?near .", ("?near",)),
    "path-negated": ("?o !(rdf:type|measure:obsValue|attribute:comment|^cube:observation) ?any .", ("?any",)),
}  # fmt: skip
# Operators with a group of their own, in which another operator can be: before and after it, and its own patterns.
BLOCKS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "optional": ("OPTIONAL {", "?o attribute:comment ?c .", ("?c",)),
    "minus": ("MINUS {", f"?o attribute:obsStatus <id/status/A> ; {AGAIN}", ()),
    "graph": ("GRAPH ?g {", f"?o qb:dataSet ?d ; {AGAIN}", ("?g", "?d")),
    "union": ("{ ?o v:sampleSize ?z . } UNION {", f"?o v:method ?w ; {AGAIN}", ("?z", "?w")),
    "subselect": ("{ SELECT ?o ?a ?v ?e {", f"?o dimension:refPeriod ?e ; {AGAIN}", ("?e",)),
    "exists": ("FILTER EXISTS {", "?o attribute:obsStatus ?t ; measure:obsValue ?v .", ()),
    "not-exists": ("FILTER NOT EXISTS {", "?o v:sampleSize ?u ; measure:obsValue ?v .", ()),
}  # fmt: skip
MODIFIERS = ("group", "having", "order", "distinct", "reduced", "limit", "offset", "aggregate")
DATASETS = ("from", "from-named")
ALGEBRA = (*SIMPLE, *BLOCKS, *MODIFIERS, *DATASETS)


def with_operator(draft: Draft, operator: str, inside: str = "") -> Draft:
    """Return the draft with an operator; a block may have the text `inside` at the end of its group."""
    if operator in SIMPLE:
        text, variables = SIMPLE[operator]
        return draft.pattern(text, *variables)
    if operator in BLOCKS:
        opening, body, variables = BLOCKS[operator]
        closing = "} }" if operator == "subselect" else "}"
        return draft.pattern(f"{opening} {body} {inside} {closing}", *variables)
    if operator == "from":
        return replace(draft, dataset=(*draft.dataset, f"FROM {KANTER}", f"FROM {REFERENCE}"))
    if operator == "from-named":
        dataset = (f"FROM {KANTER}", f"FROM {REFERENCE}", f"FROM NAMED {KANTER}", f"FROM NAMED {GRANNAR}")
        draft = replace(draft, dataset=tuple(dict.fromkeys((*draft.dataset, *dataset))))
        return draft.pattern("OPTIONAL { GRAPH ?h { ?h a ?class . ?o qb:dataSet ?h } }", "?h", "?class")
    return draft.modifier(operator)


def pattern_queries() -> Iterator[tuple[str, str]]:
    """Yield name and text of each query, without prefixes. The results of `order/…` are sequences."""
    yield from _pairs()
    yield from _triples_of_operators()
    yield from _forms()
    yield from _paths()
    yield from _ordered()
    yield from _datasets()
    yield from _joins()


def _pairs() -> Iterator[tuple[str, str]]:
    for one, other in combinations(ALGEBRA, 2):
        if {one, other} == {"distinct", "reduced"}:
            draft = Draft().pattern(f"{{ {Draft().modifier('reduced').text()} }}").modifier("distinct")
            yield f"pair/{one}+{other}", draft.text()
            continue
        yield f"pair/{one}+{other}", with_operator(with_operator(Draft(), one), other).text()
        if one in {*SIMPLE, *BLOCKS} and other in {*SIMPLE, *BLOCKS}:
            yield f"pair/{other}+{one}", with_operator(with_operator(Draft(), other), one).text()
    for block, operator in product(BLOCKS, (*SIMPLE, *BLOCKS)):
        inner = with_operator(Draft((), ()), operator).patterns[0]
        yield f"pair/{operator}-in-{block}", with_operator(Draft(), block, inner).text()
    for block, modifier in product(BLOCKS, MODIFIERS):
        inner = Draft(("?o v:kpi <id/kpi/tillit> ; dimension:refArea ?a .",), ("?a", "?o")).modifier(modifier).text()
        yield f"pair/{modifier}-in-{block}", with_operator(Draft(), block, f"{{ {inner} }}").text()


def _triples_of_operators() -> Iterator[tuple[str, str]]:
    """Three blocks in each other, in every order."""
    for outer, middle, inner in product(BLOCKS, repeat=3):
        text = with_operator(Draft((), ()), middle, with_operator(Draft((), ()), inner).patterns[0]).patterns[0]
        if len({outer, middle, inner}) == 3:
            yield f"nested/{inner}-in-{middle}-in-{outer}", with_operator(Draft(), outer, text).text()


def _forms() -> Iterator[tuple[str, str]]:
    for form, operator in product(("ask", "construct", "describe"), ALGEBRA):
        yield f"form/{form}/{operator}", with_operator(Draft(), operator).text(form)
    for name in ("id/kpi/tillit", "id/area/deso2018/0180C6070", "id/dataset/kanter", "id/nothing", "id/status/A"):
        yield f"form/describe/{name}", f"DESCRIBE <{name}>"
        yield f"form/ask/{name}", f"ASK {{ <{name}> ?p ?o }}"
    yield "form/describe/two", "DESCRIBE <id/kpi/tillit> <id/status/A>"
    yield "form/describe/star", "DESCRIBE * { ?k skos:broader <id/theme/trygghet> }"
    templates = {
        "blank": "?a <urn:has> [ <urn:value> ?v ; <urn:of> ?o ]",
        "list": "?o <urn:list> (?a ?v)",
        "constant": "<urn:a> <urn:b> <urn:c>",
        "unbound": "?o <urn:p> ?nothing . ?o <urn:q> ?a",
        "literal-subject": "?v <urn:p> ?a . ?a <urn:q> ?v",
        "empty": "",
        "variable-predicate": "?o ?p ?v",
    }
    for name, template in templates.items():
        where = f"{OBSERVATION} ?o ?p ?v"
        yield f"form/construct/{name}", f"CONSTRUCT {{ {template} }} WHERE {{ {where} }}"
        yield f"form/construct/{name}-graph", f"CONSTRUCT {{ {template} }} WHERE {{ GRAPH ?g {{ {where} }} }}"
        yield f"form/construct/{name}-filter", f"CONSTRUCT {{ {template} }} WHERE {{ {where} FILTER (isNumeric(?v)) }}"
    yield "form/construct/where", "CONSTRUCT WHERE { ?o v:kpi <id/kpi/tillit> ; dimension:refArea ?a }"
    yield "form/construct/where-blank", "CONSTRUCT WHERE { [] v:targetValue ?t }"


def _paths() -> Iterator[tuple[str, str]]:
    steps = {
        "broader": "skos:broader", "inverse": "^skos:broader", "star": "skos:broader*", "plus": "skos:broader+",
        "optional": "skos:broader?", "up-and-down": "skos:broader/^skos:broader", "either": "skos:broader|rdfs:label",
        "both-ways": "(skos:broader|^skos:broader)", "closure": "(skos:broader|^skos:broader)*",
        "two": "skos:broader/skos:broader",
        "not": "!skos:broader", "not-inverse": "!^skos:broader", "not-both": "!(^v:kpi|skos:prefLabel)",
        "label": "skos:broader*/skos:prefLabel",
        "star-of-sequence": "(skos:broader/skos:inScheme)*",
        "optional-twice": "(skos:broader?)?",
        "plus-of-alternative": "(skos:broader|skos:inScheme)+", "inverse-of-sequence": "^(skos:broader/rdf:type)",
        "star-of-inverse": "(^skos:broader)*", "repeated": "skos:broader|skos:broader",
    }  # fmt: skip
    ends = {
        "from-area": ("<id/area/deso2018/0180C6070>", "?y"),
        "from-kpi": ("<id/kpi/tillit>", "?y"),
        "to-municipality": ("?x", "<id/area/kommun/0180>"),
        "from-absent": ("<http://example.org/absent>", "?y"),
        "to-absent": ("?x", "<http://example.org/absent>"),
        "between": ("<id/area/deso2018/0180C6070>", "<id/area/lan/01>"),
        "to-itself": ("<id/area/deso2018/0180C6070>", "<id/area/deso2018/0180C6070>"),
        "from-literal": ('"Rinkeby"', "?y"),
    }
    areas = "?x a v:Area ."
    for (step, path), (end, (subject, object_)) in product(steps.items(), ends.items()):
        names = [term for term in (subject, object_) if term.startswith("?")]
        if names:
            yield f"path/{step}/{end}", f"SELECT {' '.join(names)} {{ {subject} {path} {object_} }}"
        else:
            yield f"path/{step}/{end}", f"SELECT (COUNT(*) AS ?n) {{ {subject} {path} {object_} }}"
    for step, path in steps.items():
        yield f"path/{step}/count", f"SELECT (COUNT(*) AS ?n) {{ {areas} ?x {path} ?y }}"
        yield f"path/{step}/distinct", f"SELECT DISTINCT ?x ?y {{ {areas} ?x {path} ?y FILTER (!isBlank(?y)) }}"
        yield (
            f"path/{step}/graph",
            f"SELECT ?g (COUNT(*) AS ?n) {{ GRAPH ?g {{ {areas} ?x {path} ?y }} }} GROUP BY ?g",
        )
        yield f"path/{step}/same-variable", f"SELECT ?x {{ {areas} ?x {path} ?x }}"


def _ordered() -> Iterator[tuple[str, str]]:
    """Sequences that the keys determine completely: distinct numbers, texts, IRIs or dates, and unbound first."""
    numbers = "VALUES ?x { 3 1.5 -1 0 2.25 1e2 100.5 -0.5 33.3333333333 }"
    texts = 'VALUES ?x { "b" "a" "" "B" "å" "z" "ab" "🏘️" "10" "9" }'
    iris = "VALUES ?x { <urn:b> <urn:a> <id/kpi/tillit> <http://example.org/å> <urn:B> }"
    dates = 'VALUES ?x { "2024-01-01"^^xsd:date "1999-12-31"^^xsd:date "2024-02-29"^^xsd:date }'
    moments = ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00+02:00", "2023-12-31T23:00:00Z")
    times = f"VALUES ?x {{ {' '.join(f'{chr(34)}{moment}{chr(34)}^^xsd:dateTime' for moment in moments)} }}"
    kinds = 'VALUES ?x { UNDEF <urn:a> "text" }'
    booleans = "VALUES ?x { true false }"
    for name, values in {
        "numbers": numbers, "texts": texts, "iris": iris, "dates": dates, "times": times, "kinds": kinds,
        "booleans": booleans,
    }.items():  # fmt: skip
        for direction in ("ASC", "DESC"):
            base = f"SELECT ?x {{ {values} }} ORDER BY {direction}(?x)"
            yield f"order/{name}/{direction}", base
            yield f"order/{name}/{direction}-limit", f"{base} LIMIT 2"
            yield f"order/{name}/{direction}-offset", f"{base} OFFSET 1"
            yield f"order/{name}/{direction}-slice", f"{base} LIMIT 2 OFFSET 1"
            yield f"order/{name}/{direction}-none", f"{base} LIMIT 0"
            yield f"order/{name}/{direction}-beyond", f"{base} OFFSET 1000"
            yield f"order/{name}/{direction}-subselect", f"SELECT * {{ {{ {base} LIMIT 2 }} }} ORDER BY ?x"
    data = "?o v:kpi <id/kpi/tillit> ; measure:obsValue ?v FILTER (isNumeric(?v))"
    for direction in ("ASC", "DESC"):
        for limit in (1, 3, 10, 100):
            yield (
                f"order/values/{direction}-{limit}",
                f"SELECT ?v ?o {{ {data} }} ORDER BY {direction}(?v) STR(?o) LIMIT {limit}",
            )
            yield (
                f"order/groups/{direction}-{limit}",
                (
                    f"SELECT ?a (MAX(?v) AS ?m) {{ {data} . ?o dimension:refArea ?a }} GROUP BY ?a"
                    f" ORDER BY {direction}(MAX(?v)) STR(?a) LIMIT {limit}"
                ),
            )
            yield (
                f"order/expression/{direction}-{limit}",
                f"SELECT ?v ?o {{ {data} }} ORDER BY {direction}(?v * -1) STR(?o) LIMIT {limit}",
            )
            yield (
                f"order/not-projected/{direction}-{limit}",
                f"SELECT ?o {{ {data} }} ORDER BY {direction}(?v) STR(?o) LIMIT {limit}",
            )
            yield (
                f"order/distinct/{direction}-{limit}",
                f"SELECT DISTINCT ?v {{ {data} }} ORDER BY {direction}(?v) LIMIT {limit}",
            )


def _datasets() -> Iterator[tuple[str, str]]:
    count = "SELECT (COUNT(*) AS ?n)"
    for one, other in product(ALL_GRAPHS, repeat=2):
        name = f"{one}-{other}".replace("<", "").replace(">", "")
        yield f"dataset/from/{name}", f"{count} FROM {one} FROM {other} {{ ?s ?p ?o }}"
        yield f"dataset/named/{name}", f"{count} FROM {one} FROM NAMED {other} {{ GRAPH ?g {{ ?s ?p ?o }} }}"
        yield (
            f"dataset/join/{name}",
            f"{count} FROM {one} FROM NAMED {other} {{ ?s a ?t GRAPH ?g {{ ?s skos:prefLabel ?l }} }}",
        )
        yield f"dataset/graph/{name}", f"{count} {{ GRAPH {one} {{ ?s a ?t }} GRAPH {other} {{ ?s ?p ?o }} }}"
        yield (
            f"dataset/values/{name}",
            f"SELECT ?g (COUNT(*) AS ?n) {{ VALUES ?g {{ {one} {other} }} GRAPH ?g {{ ?s ?p ?o }} }} GROUP BY ?g",
        )
        yield (
            f"dataset/subselect/{name}",
            f"SELECT ?g ?n {{ VALUES ?g {{ {one} {other} }} GRAPH ?g {{ {count} {{ ?s ?p ?o }} }} }}",
        )
    for graph in (*ALL_GRAPHS, "<id/no-such-graph>"):
        name = graph.strip("<>")
        yield f"dataset/one/{name}", f"SELECT ?p (COUNT(*) AS ?n) {{ GRAPH {graph} {{ ?s ?p ?o }} }} GROUP BY ?p"
        yield f"dataset/empty/{name}", f"SELECT * {{ GRAPH {graph} {{}} }}"
        yield f"dataset/default/{name}", f"SELECT ?t (COUNT(DISTINCT ?s) AS ?n) FROM {graph} {{ ?s a ?t }} GROUP BY ?t"
        yield f"dataset/outside/{name}", f"{count} FROM {graph} {{ GRAPH ?g {{ ?s ?p ?o }} }}"
    yield "dataset/all-graphs", "SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } }"
    yield "dataset/all-graphs-empty", "SELECT ?g { GRAPH ?g {} }"
    yield "dataset/graph-of-triple", "SELECT ?g ?o { ?o v:kpi <id/kpi/tillit> GRAPH ?g { ?o measure:obsValue ?v } }"
    yield (
        "dataset/two-graphs",
        "SELECT ?g ?h (COUNT(*) AS ?n) { GRAPH ?g { ?o v:kpi ?k } GRAPH ?h { ?k skos:broader ?t } } GROUP BY ?g ?h",
    )


def _joins() -> Iterator[tuple[str, str]]:
    """Joins of solutions with unbound variables, and scopes."""
    one = "VALUES (?x ?y) { (1 2) (1 UNDEF) (UNDEF 2) (3 4) }"
    two = "VALUES (?x ?z) { (1 5) (UNDEF 6) (3 UNDEF) }"
    for name, operator in {"join": "", "optional": "OPTIONAL", "minus": "MINUS", "union": "UNION"}.items():
        yield f"join/{name}", f"SELECT * {{ {{ {one} }} {operator} {{ {two} }} }}"
        yield f"join/{name}-swapped", f"SELECT * {{ {{ {two} }} {operator} {{ {one} }} }}"
        yield f"join/{name}-empty", f"SELECT * {{ {{ {one} }} {operator} {{}} }}"
        yield f"join/{name}-disjoint", f"SELECT * {{ {{ {one} }} {operator} {{ VALUES ?w {{ 1 2 }} }} }}"
        yield f"join/{name}-none", f"SELECT * {{ {{ {one} }} {operator} {{ VALUES ?x {{}} }} }}"
        yield f"join/{name}-filter", f"SELECT * {{ {{ {one} }} {operator} {{ {two} FILTER (?z > 5) }} }}"
    scopes = {
        "filter-outside": f"{{ {one} }} OPTIONAL {{ {two} FILTER (?y = 2) }}",
        "filter-in-group": f"{{ {one} }} {{ {two} FILTER (?y = 2) }}",
        "bind-in-group": f"{one} {{ BIND (?x AS ?w) }}",
        "bind-after": f"{one} BIND (?x AS ?w)",
        "bind-error": f"{one} BIND (1 / 0 AS ?w)",
        "nested-optional": f"{{ {one} }} OPTIONAL {{ {{ {two} }} OPTIONAL {{ VALUES (?z ?q) {{ (5 7) }} }} }}",
        "filter-first": f"FILTER (?x = 1) {one}",
        "filter-not-bound": f"{one} FILTER (!BOUND(?y))",
        "exists-unbound": f"{one} FILTER EXISTS {{ {two} FILTER (?y = 2) }}",
        "not-exists-values": f"{one} FILTER NOT EXISTS {{ {two} }}",
        "subselect-scope": f"{one} {{ SELECT ?x {{ {two} }} }}",
        "subselect-star": f"{one} {{ SELECT * {{ {two} }} }}",
        "subselect-renamed": f"{one} {{ SELECT (?z AS ?y) {{ {two} }} }}",
        "empty-group": "",
        "empty-union": "{} UNION {}",
        "union-of-binds": '{ BIND (1 AS ?x) } UNION { BIND ("1" AS ?x) } UNION { BIND (1.0 AS ?x) }',
        "values-twice": "VALUES ?x { 1 1 2 } VALUES ?x { 1 2 2 }",
    }
    for name, group in scopes.items():
        yield f"join/{name}", f"SELECT * {{ {group} }}"
        yield f"join/{name}-count", f"SELECT (COUNT(*) AS ?n) {{ {group} }}"
        yield f"join/{name}-distinct", f"SELECT DISTINCT * {{ {group} }}"
    yield (
        "join/values-after",
        f"SELECT * {{ {OBSERVATION} }} VALUES (?a ?v) {{ (<id/area/deso2018/0180C6070> 1) (UNDEF 50.5) }}",
    )
    yield (
        "join/values-after-group",
        f"SELECT ?a (COUNT(*) AS ?n) {{ {OBSERVATION} }} GROUP BY ?a VALUES ?a {{ <id/area/kommun/0180> }}",
    )
    yield "join/by-value", "SELECT ?o ?v { VALUES ?v { 1.0 50.50 61.0 } ?o measure:obsValue ?v }"
    yield "join/by-constant", "SELECT ?o { ?o measure:obsValue 1.0 }"
    yield "join/by-other-type", "SELECT ?o { ?o measure:obsValue 1 }"
    yield "join/equal-values", "SELECT ?o ?q { ?o measure:obsValue ?v . ?q v:targetValue ?v }"
    yield from _blank_nodes()


def _blank_nodes() -> Iterator[tuple[str, str]]:
    """Anonymous nodes and lists in patterns: variables that no operator sees."""
    ends = {
        "rows": ("SELECT ?v", ""),
        "distinct": ("SELECT DISTINCT ?v", ""),
        "groups": ("SELECT ?v (COUNT(*) AS ?n)", "GROUP BY ?v"),
        "count": ("SELECT (COUNT(*) AS ?n)", ""),
        "ask": ("ASK", ""),
    }
    patterns = {
        "subject": "[] v:kpi <id/kpi/tillit> ; measure:obsValue ?v",
        "object": "?o qb:dataSet [ a qb:DataSet ; dcterms:title ?v ]",
        "nested": "?o dimension:refArea [ skos:broader [ skos:prefLabel ?v ] ]",
        "labelled": "_:o v:kpi <id/kpi/tillit> ; attribute:comment ?v . _:o dimension:refArea _:a",
        "list": "?s sh:in ( ?v ?next )",
        "list-of-one": "?s sh:in ( ?v )",
        "list-of-nodes": "?s sh:in ( [] ?v )",
        "list-of-labels": "?s sh:in ( [ skos:prefLabel ?v ] ?next )",
        "reified": "[ void:property ?v ; void:triples ?count ]",
    }
    for (name, pattern), (end, (head, tail)) in product(patterns.items(), ends.items()):
        yield f"blank/{name}/{end}", f"{head} {{ {pattern} }} {tail}"
