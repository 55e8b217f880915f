"""Queries about expressions: each function, comparison, arithmetic operator, cast and aggregate, over awkward terms."""

from collections.abc import Iterator, Mapping
from itertools import product

# Terms of every kind, some of them equal by value and different as terms, some ill-typed.
POOLS: Mapping[str, str] = {
    "texts": r'"abc" "" "Abc" "räksmörgås"@sv "RÄKSMÖRGÅS"@en "abc"@en "abc"@en-GB "🏘️ x" "say \"a\"" "a\\b" "1.0"'
    ' "a b.c"',
    "ascii": '"abc" "" "Abc" "a-b-c" "abcabc"@en "aXbX" "1.0" "a b.c" "ccc"@sv "b"',
    "numbers": '1 1.0 1.00 -1 0 0.0 -0.5 2.5 3.5 -2.5 1e0 1.5e3 "7"^^xsd:float 33.3333333333 0.0000000001'
    ' "x"^^xsd:integer',
    "integers": '1 2 3 -1 0 10 "5"^^xsd:long "007"^^xsd:integer',
    "decimals": "1.0 1 0.5 -0.25 2.75 33.3333333333 100 0.0000000001",
    "doubles": '1e0 2.5e0 -1e-3 "INF"^^xsd:double "NaN"^^xsd:double "1.5"^^xsd:float 0e0',
    "times": '"2024-02-29T12:30:45Z"^^xsd:dateTime "2024-02-29T12:30:45.5+02:00"^^xsd:dateTime'
    ' "2023-01-01T00:00:00Z"^^xsd:dateTime "1999-12-31T23:59:59-05:30"^^xsd:dateTime "x"^^xsd:dateTime 1 "2024"',
    "dates": '"2024-02-29"^^xsd:date "2023-12-31"^^xsd:date "2024-03-01"^^xsd:date',
    "booleans": 'true false "1"^^xsd:boolean "0"^^xsd:boolean "x"^^xsd:boolean',
    "mixed": '<id/kpi/tillit> "a" "a"@sv 1 1.0 true "x"^^<ns#own> "x"^^xsd:integer'
    ' "2024-02-29"^^xsd:date ""^^<https://cube.link/Undefined> UNDEF',
    "iris": "<id/kpi/tillit> <id/kpi/trygg-morker> <http://example.org/å%20b> <urn:x:y> <id/area/deso2018/0180C6070>",
}
# Expressions over ?x for each function, with the pool that they run over.
FUNCTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ABS": (("ABS(?x)", "numbers"),),
    "CEIL": (("CEIL(?x)", "numbers"),),
    "FLOOR": (("FLOOR(?x)", "numbers"),),
    "ROUND": (("ROUND(?x)", "numbers"),),
    "DATATYPE": (("DATATYPE(?x)", "mixed"),),
    "YEAR": (("YEAR(?x)", "times"),),
    "MONTH": (("MONTH(?x)", "times"),),
    "DAY": (("DAY(?x)", "times"),),
    "HOURS": (("HOURS(?x)", "times"),),
    "MINUTES": (("MINUTES(?x)", "times"),),
    "SECONDS": (("SECONDS(?x)", "times"),),
    "TIMEZONE": (("TIMEZONE(?x)", "times"),),
    "TZ": (("TZ(?x)", "times"),),
    "ENCODE_FOR_URI": (("ENCODE_FOR_URI(?x)", "texts"),),
    "IRI": (("IRI(?x)", "iris"), ('IRI("id/kpi/tillit")', "iris")),
    "URI": (("URI(STR(?x))", "iris"),),
    "ISBLANK": (("isBlank(?x)", "mixed"),),
    "ISIRI": (("isIRI(?x)", "mixed"),),
    "ISURI": (("isURI(?x)", "mixed"),),
    "ISLITERAL": (("isLiteral(?x)", "mixed"),),
    "ISNUMERIC": (("isNumeric(?x)", "mixed"),),
    "LANG": (("LANG(?x)", "texts"),),
    "LANGMATCHES": (('LANGMATCHES(LANG(?x), "en")', "texts"), ('LANGMATCHES(LANG(?x), "*")', "texts")),
    "LCASE": (("LCASE(?x)", "texts"),),
    "UCASE": (("UCASE(?x)", "texts"),),
    "MD5": (("MD5(?x)", "texts"),),
    "SHA1": (("SHA1(?x)", "texts"),),
    "SHA256": (("SHA256(?x)", "ascii"),),
    "SHA384": (("SHA384(?x)", "ascii"),),
    "SHA512": (("SHA512(?x)", "ascii"),),
    "STR": (("STR(?x)", "mixed"), ("STR(?x)", "numbers")),
    "STRLEN": (("STRLEN(?x)", "texts"),),
    "CONTAINS": (('CONTAINS(?x, "b")', "texts"),),
    "STRSTARTS": (('STRSTARTS(?x, "a")', "texts"),),
    "STRENDS": (('STRENDS(?x, "c")', "ascii"),),
    "STRBEFORE": (('STRBEFORE(?x, "b")', "ascii"), ('STRBEFORE(?x, "")', "texts")),
    "STRAFTER": (('STRAFTER(?x, "b")', "ascii"), ('STRAFTER(?x, "b"@en)', "texts")),
    "STRDT": (("STRDT(STR(?x), xsd:integer)", "integers"),),
    "STRLANG": (('STRLANG(STR(?x), "sv")', "texts"),),
    "SAMETERM": (("sameTerm(?x, 1)", "numbers"), ('sameTerm(?x, "abc"@en)', "texts")),
    "IF": (('IF(?x, "yes", "no")', "booleans"), ("IF(?x > 1, ?x, -1)", "numbers"), ("IF(?x, 1, 2)", "mixed")),
    "REGEX": (('REGEX(?x, "^a.c$")', "texts"), ('REGEX(?x, "B", "i")', "ascii"), ('REGEX(?x, "a b", "x")', "ascii")),
    "SUBSTR": (("SUBSTR(?x, 2)", "texts"), ("SUBSTR(?x, 2, 1)", "ascii"), ("SUBSTR(?x, 0, 3)", "ascii")),
    "REPLACE": (('REPLACE(?x, "b", "Z")', "ascii"), ('REPLACE(?x, "([a-c])x?", "[$1]", "i")', "ascii")),
    "COALESCE": (('COALESCE(?x, "none")', "mixed"), ("COALESCE(1 / ?x, -1)", "integers")),
    "CONCAT": (('CONCAT(?x, "-", ?x)', "texts"), ("CONCAT(STR(?x), STR(1.0))", "numbers"), ("CONCAT()", "texts")),
    "BOUND": (("BOUND(?x)", "mixed"),),
    "BNODE": (("isBlank(BNODE(STR(?x)))", "texts"), ("isBlank(BNODE())", "texts")),
    "NOW": (("isLiteral(NOW())", "booleans"), ("DATATYPE(NOW())", "booleans")),
    "RAND": (("(RAND() >= 0 && RAND() < 1)", "booleans"), ("DATATYPE(RAND())", "booleans")),
    "UUID": (("isIRI(UUID())", "booleans"), ("STRLEN(STR(UUID()))", "booleans")),
    "STRUUID": (("STRLEN(STRUUID())", "booleans"), ("isLiteral(STRUUID())", "booleans")),
    "xsd:boolean": (("xsd:boolean(?x)", "mixed"), ("xsd:boolean(?x)", "booleans")),
    "xsd:dateTime": (("xsd:dateTime(?x)", "times"), ("xsd:dateTime(STR(?x))", "times")),
    "xsd:decimal": (("xsd:decimal(?x)", "numbers"), ("xsd:decimal(STR(?x))", "decimals")),
    "xsd:double": (("xsd:double(?x)", "numbers"), ("xsd:double(STR(?x))", "doubles")),
    "xsd:float": (("xsd:float(?x)", "integers"),),
    "xsd:integer": (("xsd:integer(?x)", "numbers"), ("xsd:integer(STR(?x))", "texts")),
    "xsd:string": (("xsd:string(?x)", "mixed"), ("xsd:string(?x)", "iris")),
}  # fmt: skip
# A value by the query that it is used in: {e} is the expression over ?x, {p} the pool.
USES: Mapping[str, str] = {
    "project": "SELECT ?x ({e} AS ?y) {{ VALUES ?x {{ {p} }} }}",
    "coalesce": 'SELECT ?x (COALESCE({e}, "error") AS ?y) {{ VALUES ?x {{ {p} }} }}',
    "bind": "SELECT ?x ?y {{ VALUES ?x {{ {p} }} BIND ({e} AS ?y) }}",
    "filter": "SELECT ?x {{ VALUES ?x {{ {p} }} FILTER ({e}) }}",
    "not": "SELECT ?x {{ VALUES ?x {{ {p} }} FILTER (!({e})) }}",
    "bound": "SELECT ?x {{ VALUES ?x {{ {p} }} BIND ({e} AS ?y) FILTER (BOUND(?y)) }}",
    "equal": "SELECT ?x {{ VALUES ?x {{ {p} }} FILTER ({e} = {e}) }}",
    "if": 'SELECT ?x (IF({e}, "yes", "no") AS ?y) {{ VALUES ?x {{ {p} }} }}',
    "group": "SELECT ?y (COUNT(*) AS ?n) {{ VALUES ?x {{ {p} }} }} GROUP BY ({e} AS ?y)",
    "count": "SELECT (COUNT({e}) AS ?n) (COUNT(DISTINCT {e}) AS ?m) {{ VALUES ?x {{ {p} }} }}",
    "having": "SELECT ?x (COUNT(*) AS ?n) {{ VALUES ?x {{ {p} }} }} GROUP BY ?x HAVING ({e})",
    "exists": "SELECT ?x {{ VALUES ?x {{ {p} }} FILTER EXISTS {{ ?o a qb:DataSet FILTER ({e}) }} }}",
    "optional": "SELECT ?x ?d {{ VALUES ?x {{ {p} }} OPTIONAL {{ ?d a qb:DataSet FILTER ({e}) }} }}",
    "minus": "SELECT ?x {{ VALUES ?x {{ {p} }} MINUS {{ VALUES ?x {{ {p} }} FILTER ({e}) }} }}",
    "or": "SELECT ?x {{ VALUES ?x {{ {p} }} FILTER ({e} || ?x = 1) }}",
    "and": "SELECT ?x {{ VALUES ?x {{ {p} }} FILTER ({e} && ?x != 1) }}",
    "in": 'SELECT ?x {{ VALUES ?x {{ {p} }} FILTER ({e} IN (1, "abc", true, ?x)) }}',
}
# Expressions over the published data, where a function has other optimisations than over VALUES.
DATA: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "value": (
        "?o v:kpi <id/kpi/tillit> ; measure:obsValue ?x",
        ("ABS(?x)", "CEIL(?x)", "FLOOR(?x)", "ROUND(?x)", "DATATYPE(?x)", "isNumeric(?x)", "STR(?x)",
         "STRLEN(STR(?x))", "xsd:integer(?x)", "xsd:double(?x)", "xsd:decimal(?x)", "xsd:string(?x)", "?x + 1",
         "?x * 2", "?x / 3", "?x - 0.5", "-?x", "1 / ?x", "?x = 1", "?x != 1", "?x > 1", "?x >= 1.0", "?x < 50",
         "?x <= 50.5", "?x IN (1, 50.5)", "?x NOT IN (1, 50.5)", "sameTerm(?x, 1)", "IF(?x > 50, \"high\", \"low\")",
         "COALESCE(?x + 0, \"missing\")", "isLiteral(?x)", "LANG(?x)", "STRDT(STR(?x), xsd:string)",
         "?x = \"\"^^<https://cube.link/Undefined>"),
    ),
    "note": (
        "?o attribute:comment ?x",
        ("STRLEN(?x)", "UCASE(?x)", "LCASE(?x)", "SUBSTR(?x, 1, 5)", 'CONTAINS(?x, "\\"")', 'STRSTARTS(?x, "s")',
         'STRBEFORE(?x, " ")', 'STRAFTER(?x, " ")', 'REPLACE(?x, "a", "A")', 'REGEX(?x, "^[a-zåäö ]+$")', "MD5(?x)",
         "SHA1(?x)", "ENCODE_FOR_URI(?x)", 'CONCAT(?x, "|", ?x)', "STRLANG(?x, \"sv\")", '?x = "1"', '?x < "m"',
         "xsd:decimal(?x)",          'STRENDS(?x, "0")', "SHA256(?x)"),
    ),
    "label": (
        "<id/kpi/tillit> skos:prefLabel ?x",
        ("LANG(?x)", "UCASE(?x)", 'LANGMATCHES(LANG(?x), "sv")', "STR(?x)", 'CONCAT(?x, "!")', "SUBSTR(?x, 3)",
         "STRLEN(?x)", 'CONTAINS(?x, "tr")', 'REPLACE(?x, "r", "R")', "DATATYPE(?x)", '?x = "a"@sv',
         "?x < \"x\"@sv", "sameTerm(?x, ?x)"),
    ),
    "period": (
        "?p dcat:startDate ?x",
        ("YEAR(xsd:dateTime(CONCAT(STR(?x), \"T00:00:00Z\")))", "?x < \"2023-01-01\"^^xsd:date",
         "STR(?x)", "DATATYPE(?x)", "YEAR(?x)",
         "MONTH(?x)", "DAY(?x)", "?x = \"2024-01-01\"^^xsd:date", "xsd:dateTime(?x)", "SUBSTR(STR(?x), 1, 4)"),
    ),
}  # fmt: skip
COMPARISONS = ("=", "!=", "<", ">", "<=", ">=")
PAIRS_OF_POOLS = (
    ("numbers", "integers"), ("decimals", "decimals"), ("doubles", "numbers"), ("texts", "ascii"), ("times", "times"),
    ("booleans", "booleans"), ("mixed", "mixed"), ("iris", "iris"), ("dates", "dates"), ("mixed", "texts"),
)  # fmt: skip
ARITHMETIC = ("+", "-", "*", "/")
NUMBER_POOLS = (
    ("integers", "integers"),
    ("decimals", "integers"),
    ("decimals", "decimals"),
    ("doubles", "decimals"),
    ("mixed", "integers"),
)
# Relations with a key ?k and a value ?x to aggregate.
GROUPS: Mapping[str, str] = {
    "values": 'VALUES (?k ?x) { (1 1) (1 2) (2 3.5) (2 "a") (3 UNDEF) (4 1.0) (4 1) (5 1e0) (5 2.5) (6 0.1) (6 0.2) }',
    "numbers": "VALUES (?k ?x) { (1 1) (1 2) (1 2) (2 3.5) (2 -3.5) (3 33.3333333333) (3 66.6666666667) (4 0) }",
    "observations": "?o v:kpi ?k ; measure:obsValue ?x FILTER (isNumeric(?x))",
    "by-area": "?o dimension:refArea ?k ; measure:obsValue ?x FILTER (isNumeric(?x))",
    "missing": "?o dimension:refPeriod ?k ; measure:obsValue ?x",
    "optional": "?o dimension:refArea ?k OPTIONAL { ?o v:numerator ?x }",
    "none": "?o v:kpi ?k ; v:noSuchProperty ?x",
    "doubles": "VALUES (?k ?x) { (1 1e0) (1 2.5e0) (2 1) (2 0.5) (3 1.5e3) }",
}
AGGREGATES: Mapping[str, str] = {
    "count-all": "COUNT(*)",
    "count": "COUNT(?x)",
    "count-distinct": "COUNT(DISTINCT ?x)",
    "count-all-distinct": "COUNT(DISTINCT *)",
    "sum": "SUM(?x)",
    "sum-distinct": "SUM(DISTINCT ?x)",
    "sum-expression": "SUM(?x * 2 + 1)",
    "avg": "AVG(?x)",
    "avg-distinct": "AVG(DISTINCT ?x)",
    "min": "MIN(?x)",
    "max": "MAX(?x)",
    "min-distinct": "MIN(DISTINCT ?x)",
    "max-text": "MAX(STR(?x))",
    "concat-length": 'STRLEN(GROUP_CONCAT(?x; SEPARATOR=", "))',
    "concat-text-length": "STRLEN(GROUP_CONCAT(STR(?x)))",
    "concat-distinct-length": 'STRLEN(GROUP_CONCAT(DISTINCT STR(?x); SEPARATOR=""))',
    "concat-one": 'GROUP_CONCAT(DISTINCT "a")',
    "concat-key": "GROUP_CONCAT(DISTINCT STR(?k))",
    "sample-key": "SAMPLE(?k)",
    "sample-type": "isLiteral(SAMPLE(?x))",
    "sample-constant": "SAMPLE(1 + 1)",
}


def expression_queries() -> Iterator[tuple[str, str]]:
    """Yield name and text of each query, without prefixes."""
    yield from _functions()
    yield from _data()
    yield from _comparisons()
    yield from _arithmetic()
    yield from _aggregates()


def _functions() -> Iterator[tuple[str, str]]:
    for function, expressions in FUNCTIONS.items():
        for number, (use, template) in enumerate(USES.items()):
            # Every use has one of the function's expressions in turn, and the plain uses have all of them.
            every = use in ("project", "filter")
            for index, (expression, pool) in enumerate(expressions):
                if every or index == number % len(expressions):
                    yield f"function/{function}/{use}-{index}", template.format(e=expression, p=POOLS[pool])


def _data() -> Iterator[tuple[str, str]]:
    for name, (pattern, expressions) in DATA.items():
        for index, expression in enumerate(expressions):
            yield f"data/{name}/project-{index}", f"SELECT ?x ({expression} AS ?y) {{ {pattern} }}"
            yield f"data/{name}/filter-{index}", f"SELECT ?x {{ {pattern} FILTER ({expression}) }}"
            yield (
                f"data/{name}/group-{index}",
                f"SELECT ?y (COUNT(*) AS ?n) {{ {pattern} BIND ({expression} AS ?y) }} GROUP BY ?y",
            )


def _comparisons() -> Iterator[tuple[str, str]]:
    for (left, right), operator in product(PAIRS_OF_POOLS, COMPARISONS):
        values = f"VALUES ?x {{ {POOLS[left]} }} VALUES ?y {{ {POOLS[right]} }}"
        name = f"comparison/{left}-{right}/{operator}"
        yield f"{name}/project", f"SELECT ?x ?y (?x {operator} ?y AS ?r) {{ {values} }}"
        yield f"{name}/filter", f"SELECT ?x ?y {{ {values} FILTER (?x {operator} ?y) }}"
        yield f"{name}/not", f"SELECT ?x ?y {{ {values} FILTER (!(?x {operator} ?y)) }}"
    for pool in POOLS:
        values = f"VALUES ?x {{ {POOLS[pool]} }}"
        members = ", ".join(('"abc"', "1", "1.0", "true", "<id/kpi/tillit>"))
        yield f"comparison/{pool}/in", f"SELECT ?x (?x IN ({members}) AS ?r) {{ {values} }}"
        yield f"comparison/{pool}/not-in", f"SELECT ?x (?x NOT IN ({members}) AS ?r) {{ {values} }}"
        yield f"comparison/{pool}/in-error", f"SELECT ?x (?x IN (1 / 0, ?x) AS ?r) {{ {values} }}"
        yield f"comparison/{pool}/not-in-error", f"SELECT ?x {{ {values} FILTER (?x NOT IN (1 / 0, 2)) }}"
        yield f"comparison/{pool}/or-error", f"SELECT ?x (?x || 1 / 0 AS ?r) {{ {values} }}"
        yield f"comparison/{pool}/and-error", f"SELECT ?x (?x && 1 / 0 AS ?r) {{ {values} }}"
        yield f"comparison/{pool}/not", f"SELECT ?x (!?x AS ?r) {{ {values} }}"
        yield f"comparison/{pool}/join", f'SELECT ?x {{ {values} VALUES ?x {{ 1 1.0 "abc" true <id/kpi/tillit> }} }}'
        yield f"comparison/{pool}/distinct", f"SELECT DISTINCT ?x {{ {values} }}"


def _arithmetic() -> Iterator[tuple[str, str]]:
    for (left, right), operator in product(NUMBER_POOLS, ARITHMETIC):
        values = f"VALUES ?x {{ {POOLS[left]} }} VALUES ?y {{ {POOLS[right]} }}"
        name = f"arithmetic/{left}-{right}/{operator}"
        yield f"{name}/project", f"SELECT ?x ?y (?x {operator} ?y AS ?r) {{ {values} }}"
        yield f"{name}/compare", f"SELECT ?x ?y {{ {values} FILTER (?x {operator} ?y > 1) }}"
        yield f"{name}/type", f"SELECT ?x ?y (DATATYPE(?x {operator} ?y) AS ?r) {{ {values} }}"
        yield f"{name}/sum", f"SELECT ?x (SUM(?x {operator} ?y) AS ?r) {{ {values} }} GROUP BY ?x"
    for pool in ("numbers", "decimals", "doubles", "mixed"):
        yield f"arithmetic/{pool}/negative", f"SELECT ?x (-?x AS ?r) {{ VALUES ?x {{ {POOLS[pool]} }} }}"
        yield f"arithmetic/{pool}/positive", f"SELECT ?x (+?x AS ?r) {{ VALUES ?x {{ {POOLS[pool]} }} }}"
        yield f"arithmetic/{pool}/negative-filter", f"SELECT ?x {{ VALUES ?x {{ {POOLS[pool]} }} FILTER (-?x < 0) }}"
        yield f"arithmetic/{pool}/chain", f"SELECT ?x (?x -1 * 2 + 3 AS ?r) {{ VALUES ?x {{ {POOLS[pool]} }} }}"


def _aggregates() -> Iterator[tuple[str, str]]:
    for (group, pattern), (name, aggregate) in product(GROUPS.items(), AGGREGATES.items()):
        yield f"aggregate/{group}/{name}", f"SELECT ?k ({aggregate} AS ?r) {{ {pattern} }} GROUP BY ?k"
        if name not in ("sample-key", "concat-key"):
            yield f"aggregate/{group}/{name}-ungrouped", f"SELECT ({aggregate} AS ?r) {{ {pattern} }}"
        if name in ("count", "sum", "avg", "min", "max"):
            yield f"aggregate/{group}/{name}-having", f"SELECT ?k {{ {pattern} }} GROUP BY ?k HAVING ({aggregate} > 1)"
            yield (
                f"aggregate/{group}/{name}-ratio",
                (f"SELECT ?k ({aggregate} / COUNT(*) AS ?r) {{ {pattern} }} GROUP BY ?k HAVING (COUNT(*) > 1)"),
            )
