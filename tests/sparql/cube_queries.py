"""Random queries about observations, deterministic by their seed, whose results do not depend on an engine's choices.

A slice is ordered by all columns; a sample is of one value; a concatenation is measured, not shown.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

AREAS = (
    "<id/area/deso2018/0180C6070>", "<id/area/deso2018/0180C6090>", "<id/area/deso2018/1280C1430>",
    "<id/area/kommun/0180>", "<id/area/deso2018/0180C6140>", "<id/area/own/kanter.kanalen>",
)  # fmt: skip
KPIS = tuple(
    f"<id/kpi/{name}>" for name in ("tillit", "trygg-morker", "sysselsatta", "investerat-belopp", "idrott-deltagande")
)
YEARS = tuple(f"<http://reference.data.gov.uk/id/gregorian-year/{year}>" for year in range(2020, 2025))
SEXES = ("code:sex-T", "code:sex-F", "code:sex-M")
AGES = ("<id/age/T>", "<id/age/16-29>", "<id/age/30-49>")
STATUSES = tuple(f"<id/status/{code}>" for code in "ABELMOPQU")
METHODS = tuple(f"<id/method/{code}>" for code in ("survey", "register", "count"))
DATASETS = ("<id/dataset/kanter>", "<id/dataset/grannar>")
NUMBERS = ("0", "1", "1.0", "2.5", "33.3333333333", "40", "50.5", "60.25", "99.9999999999", "1e2", "-1")
# Properties by variable: predicate, constants, and whether every observation has the property.
DIMENSIONS = {
    "a": ("dimension:refArea", AREAS),
    "k": ("v:kpi", KPIS),
    "p": ("dimension:refPeriod", YEARS),
    "s": ("dimension:sex", SEXES),
    "g": ("dimension:age", AGES),
    "d": ("qb:dataSet", DATASETS),
    "t": ("attribute:obsStatus", STATUSES),
    "m": ("v:method", METHODS),
}
ATTRIBUTES = {
    "n": "attribute:comment",
    "z": "v:sampleSize",
    "u": "v:numerator",
    "w": "v:denominator",
    "l": "v:ciLower",
    "h": "v:ciUpper",
    "e": "attribute:unitMeasure",
}
# Properties of the values of dimensions.
NAMES = {
    "a": ("rdfs:label", "skos:prefLabel", "skos:broader", "skos:notation", "skos:broader/skos:prefLabel"),
    "k": ("skos:prefLabel", "skos:broader", "skos:broader/skos:prefLabel", "v:direction", "v:maximum"),
    "p": ("rdfs:label", "dcat:startDate", "dcat:endDate"),
    "d": ("dcterms:title", "dcat:version"),
    "t": ("skos:prefLabel", "skos:notation"),
    "m": ("skos:prefLabel",),
    "s": ("skos:notation",),
    "g": ("skos:prefLabel",),
}
AGGREGATES = (
    "COUNT(*)", "COUNT(?v)", "COUNT(DISTINCT ?v)", "COUNT(DISTINCT ?{x})", "SUM(?v)", "AVG(?v)", "MIN(?v)", "MAX(?v)",
    "SUM(?v * 2)", "MAX(?v) - MIN(?v)", "SUM(?v) / COUNT(*)", "MIN(STR(?{x}))", "MAX(STR(?v))", "SUM(DISTINCT ?v)",
    "STRLEN(GROUP_CONCAT(STR(?v)))", "SUM(IF(?v > 50, 1, 0))", "COUNT(?z)", "AVG(?z)",
)  # fmt: skip


@dataclass
class _Writer:
    """A query in the making: the patterns, and the variables that they always (`bound`) or perhaps bind."""

    dice: random.Random
    patterns: list[str] = field(default_factory=list)
    bound: list[str] = field(default_factory=list)
    perhaps: list[str] = field(default_factory=list)
    serial: int = 0

    def fresh(self) -> str:
        self.serial += 1
        return f"x{self.serial}"

    def star(self) -> None:
        """Add an observation with some dimensions, as variables or constants."""
        dice = self.dice
        parts = []
        for name in dice.sample(list(DIMENSIONS), dice.randint(1, 5)):
            predicate, constants = DIMENSIONS[name]
            if dice.random() < 0.35:
                parts.append(f"{predicate} {dice.choice(constants)}")
            else:
                parts.append(f"{predicate} ?{name}")
                self.bound.append(name)
        if dice.random() < 0.9:
            parts.append("measure:obsValue ?v")
            self.bound.append("v")
        dice.shuffle(parts)
        self.patterns.append(f"?o {' ; '.join(parts)} .")
        self.bound.append("o")

    def clause(self) -> None:
        clauses = (
            self.number_filter, self.number_filter, self.term_filter, self.value_list, self.optional, self.name,
            self.union, self.minus, self.exists, self.bind, self.graph, self.subselect, self.path,
            self.other_observation,
        )  # fmt: skip
        self.dice.choice(clauses)()

    def variable(self) -> str:
        return self.dice.choice(self.bound)

    def number_filter(self) -> None:
        if "v" not in self.bound:
            return
        number, other = self.dice.sample(NUMBERS, 2)
        operator = self.dice.choice(("=", "!=", "<", ">", "<=", ">="))
        conditions = (
            "isNumeric(?v)", f"?v {operator} {number}", f"!(?v {operator} {number})", f"?v IN ({number}, {other})",
            f"?v NOT IN ({number}, {other})", f"isNumeric(?v) && ?v {operator} {number}",
            f"?v {operator} {number} || ?v = {other}",
            f"ABS(?v - {number}) < 10", f"?v * 2 {operator} {number}", f"FLOOR(?v) = {number}", 'STRLEN(STR(?v)) > 3',
            f"COALESCE(?v > {number}, true)", f"IF(isNumeric(?v), ?v {operator} {number}, false)", "?v", "!BOUND(?v)",
            "DATATYPE(?v) = xsd:decimal", f"sameTerm(?v, {number})", f"?v / 3 {operator} {number}",
        )  # fmt: skip
        self.patterns.append(f"FILTER ({self.dice.choice(conditions)})")

    def term_filter(self) -> None:
        names = [name for name in self.bound if name in DIMENSIONS]
        if not names:
            return
        name = self.dice.choice(names)
        constants = DIMENSIONS[name][1]
        one, other = self.dice.choice(constants), self.dice.choice(constants)
        conditions = (
            f"?{name} = {one}", f"?{name} != {one}", f"?{name} IN ({one}, {other})", f"?{name} NOT IN ({one}, {other})",
            f"?{name} = {one} || ?{name} = {other}", f"!(?{name} = {one})", f"STRENDS(STR(?{name}), \"4\")",
            f"CONTAINS(STR(?{name}), \"0180\")", f"STRSTARTS(STR(?{name}), STR({one}))", f"sameTerm(?{name}, {one})",
            f"REGEX(STR(?{name}), \"[a-m]$\")", f"STR(?{name}) < STR({one})", f"isIRI(?{name})", f"?{name} < {one}",
        )  # fmt: skip
        self.patterns.append(f"FILTER ({self.dice.choice(conditions)})")

    def value_list(self) -> None:
        name = self.dice.choice(list(DIMENSIONS))
        constants = DIMENSIONS[name][1]
        sample = self.dice.sample(constants, min(len(constants), self.dice.randint(1, 3)))
        if name in self.bound:
            self.patterns.append(f"VALUES ?{name} {{ {' '.join(sample)} }}")
        elif "v" in self.bound:
            self.patterns.append(f"VALUES ?v {{ {' '.join(self.dice.sample(NUMBERS, 3))} }}")

    def optional(self) -> None:
        name = self.dice.choice(list(ATTRIBUTES))
        if name in self.bound or name in self.perhaps:
            return
        condition = self.dice.choice(("", "", f"FILTER (isNumeric(?{name}))", f"FILTER (STRLEN(STR(?{name})) > 2)"))
        self.patterns.append(f"OPTIONAL {{ ?o {ATTRIBUTES[name]} ?{name} {condition} }}")
        self.perhaps.append(name)

    def name(self) -> None:
        """Add a property of a dimension's value, which is optional at times."""
        names = [name for name in self.bound if name in NAMES]
        if not names:
            return
        name, new = self.dice.choice(names), self.fresh()
        pattern = f"?{name} {self.dice.choice(NAMES[name])} ?{new}"
        condition = self.dice.choice(("", f'FILTER (LANG(?{new}) = "sv")', f'FILTER (LANGMATCHES(LANG(?{new}), "en"))'))
        if self.dice.random() < 0.4:
            self.patterns.append(f"OPTIONAL {{ {pattern} {condition} }}")
            self.perhaps.append(new)
        else:
            self.patterns.append(f"{pattern} . {condition}")
            self.bound.append(new)

    def union(self) -> None:
        one, other = self.dice.sample(list(DIMENSIONS.items()), 2)
        branches = [f"{{ ?o {predicate} {self.dice.choice(constants)} }}" for _, (predicate, constants) in (one, other)]
        if self.dice.random() < 0.4:
            new = self.fresh()
            attribute, another = self.dice.sample(list(ATTRIBUTES.values()), 2)
            branches = [f"{{ ?o {attribute} ?{new} }}", f"{{ ?o {another} ?{new} }}"]
            self.bound.append(new)
        self.patterns.append(" UNION ".join(branches))

    def minus(self) -> None:
        predicate, constants = self.dice.choice(list(DIMENSIONS.values()))
        body = self.dice.choice(
            (f"?o {predicate} {self.dice.choice(constants)}", "?o attribute:comment ?note", "?o v:sampleSize ?size")
        )
        self.patterns.append(f"MINUS {{ {body} }}")

    def exists(self) -> None:
        predicate, constants = self.dice.choice(list(DIMENSIONS.values()))
        word = self.dice.choice(("EXISTS", "NOT EXISTS"))
        bodies = [f"?o {predicate} {self.dice.choice(constants)}", "?o v:ciLower ?low FILTER (?low < 0)"]
        if "a" in self.bound and "v" in self.bound:
            bodies.append("?r dimension:refArea ?a ; measure:obsValue ?q FILTER (?q > ?v)")
        self.patterns.append(f"FILTER {word} {{ {self.dice.choice(bodies)} }}")

    def bind(self) -> None:
        name, new = self.variable(), self.fresh()
        expressions = [f"STR(?{name})", f"STRLEN(STR(?{name}))", f"isIRI(?{name})", f'CONCAT(STR(?{name}), "|")']
        if "v" in self.bound:
            expressions += [
                "?v + 1",
                "?v / 4",
                "?v * ?v",
                "ROUND(?v)",
                "IF(?v > 50, 1, 0)",
                "-?v",
                "xsd:integer(?v)",
                "1 / ?v",
            ]
        self.patterns.append(f"BIND ({self.dice.choice(expressions)} AS ?{new})")
        self.perhaps.append(new)

    def graph(self) -> None:
        if self.dice.random() < 0.5:
            self.patterns.append(f"GRAPH {self.dice.choice(DATASETS)} {{ ?o measure:obsValue ?of }}")
            self.bound.append("of") if "of" not in self.bound else None
        elif "graph" not in self.bound:
            self.patterns.append("GRAPH ?graph { ?o measure:obsValue ?in }")
            self.bound += ["graph", "in"]

    def subselect(self) -> None:
        names = [name for name in ("a", "k", "p", "d", "s") if name in self.bound]
        if not names:
            return
        name, new = self.dice.choice(names), self.fresh()
        predicate = DIMENSIONS[name][0]
        aggregate = self.dice.choice(("COUNT(*)", "MAX(?b)", "MIN(?b)", "SUM(?b)", "COUNT(DISTINCT ?b)"))
        self.patterns.append(
            f"{{ SELECT ?{name} ({aggregate} AS ?{new}) {{ ?r {predicate} ?{name} ; measure:obsValue ?b"
            f" FILTER (isNumeric(?b)) }} GROUP BY ?{name} }}"
        )
        self.bound.append(new)

    def path(self) -> None:
        new = self.fresh()
        paths = (
            "dimension:refArea/skos:broader", "dimension:refArea/skos:broader*", "dimension:refArea/skos:broader+",
            "^cube:observation", "v:kpi/skos:broader", "v:method|attribute:obsStatus",
            "(dimension:refArea|v:kpi)/skos:broader", "dimension:refArea/skos:broader?",
            "v:kpi/^v:targetedKpi", "dimension:refArea/^v:neighbourhood", "v:kpi/skos:broader/skos:inScheme",
        )  # fmt: skip
        self.patterns.append(f"?o {self.dice.choice(paths)} ?{new} .")
        self.bound.append(new)

    def other_observation(self) -> None:
        """Join another observation that agrees in one or two dimensions, as a comparison of years does."""
        names = [name for name in ("a", "k", "p", "s", "d") if name in self.bound]
        if "b" in self.bound or not names:
            return
        shared = self.dice.sample(names, min(len(names), 2))
        joined = " ; ".join(f"{DIMENSIONS[name][0]} ?{name}" for name in shared)
        free = [name for name in ("k", "p", "s") if name not in shared] or ["d"]
        predicate, constants = DIMENSIONS[self.dice.choice(free)]
        self.patterns.append(f"?c {joined} ; {predicate} {self.dice.choice(constants)} ; measure:obsValue ?b .")
        self.bound.append("b")


def cube_query(seed: int) -> str:
    """Return the query of a seed, without prefixes."""
    dice = random.Random(seed)
    writer = _Writer(dice)
    writer.star()
    for _ in range(dice.choice((0, 1, 1, 2, 2, 3, 4))):
        writer.clause()
    dataset = dice.choice(("",) * 8 + (f"FROM {dice.choice(DATASETS)} FROM <id/reference> FROM <ns>",))
    if "GRAPH" in " ".join(writer.patterns):
        dataset = ""
    where = f"{dataset} WHERE {{ {' '.join(writer.patterns)} }}"
    kind = dice.choice(("rows", "rows", "groups", "groups", "total", "ask", "construct"))
    if kind == "ask":
        return f"ASK {where}"
    if kind == "construct":
        name = dice.choice(writer.bound)
        return f"CONSTRUCT {{ ?o <urn:has> ?{name} }} {where}"
    if kind == "rows":
        return _rows(dice, writer, where)
    return _groups(dice, writer, where, grouped=kind == "groups")


def cube_queries(count: int, first: int = 0) -> Iterator[tuple[str, str]]:
    """Yield name and text of the queries of consecutive seeds, without prefixes."""
    for seed in range(first, first + count):
        yield f"cube/{seed}", cube_query(seed)


def _rows(dice: random.Random, writer: _Writer, where: str) -> str:
    names = list(dict.fromkeys((*writer.bound, *writer.perhaps)))
    columns = dice.sample(names, min(len(names), dice.randint(1, 4)))
    word = dice.choice(("", "", "DISTINCT "))
    tail = ""
    if dice.random() < 0.3:
        keys = " ".join(f"STR(?{name}) LANG(?{name})" for name in columns)
        tail = f" ORDER BY {keys} LIMIT {dice.randint(0, 12)}" + dice.choice(("", " OFFSET 2"))
    return f"SELECT {word}{' '.join(f'?{name}' for name in columns)} {where}{tail}"


def _groups(dice: random.Random, writer: _Writer, where: str, *, grouped: bool) -> str:
    names = [name for name in dict.fromkeys(writer.bound) if name not in ("v", "o")] or ["o"]
    keys = dice.sample(names, min(len(names), dice.randint(1, 2))) if grouped else []
    chosen = dice.sample(AGGREGATES, dice.randint(1, 3))
    columns = [f"({text.replace('{x}', dice.choice(names))} AS ?r{i})" for i, text in enumerate(chosen)]
    tail = f" GROUP BY {' '.join(f'?{name}' for name in keys)}" if keys else ""
    if dice.random() < 0.25:
        tail += f" HAVING ({dice.choice(('COUNT(*) > 1', 'MAX(?v) > 50', 'COUNT(DISTINCT ?o) < 4', 'AVG(?v) <= 60'))})"
    return f"SELECT {' '.join([f'?{name}' for name in keys] + columns)} {where}{tail}"
