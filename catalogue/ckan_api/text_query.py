"""PostgreSQL's text search queries (plainto_tsquery, to_tsquery) over the words of a row, as conditions of DuckDB."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from vaven.catalogue.ckan_api.responses import ActionError
from vaven.catalogue.ckan_api.words import STOP_WORDS, word_stem

# A decimal number is one word. DuckDB's expression, and Python's for a query.
ROW_WORD, QUERY_WORD = r"[0-9]+\.[0-9]+|[\pL\pN]+", re.compile(r"[0-9]+\.[0-9]+|[^\W_]+")
LEXEME = re.compile(r"\s*(?:'((?:[^']|'')*)'|([^\s&|!()<>:']+))(:\*?)?")
OPERATOR = re.compile(r"\s*(<->|<\d{1,4}>|[&|!()])")
MAX_CHARS = 2_000

# Return the words of rows that a word of a query matches, as it is or as a prefix.
Lookup = Callable[[str, bool], Collection[str]]


@dataclass(frozen=True)
class Condition:
    """A condition in SQL on `words`, the list of a row's words, with the values of its placeholders.

    `phrase` has the words of a sequence and their positions, if the condition is one.
    """

    sql: str
    values: tuple[list[str], ...] = ()
    phrase: tuple[tuple[int, tuple[str, ...]], ...] = field(default=())


def plain_condition(query: str, words: str, lookup: Lookup) -> Condition | None:
    """Return the condition that a row has all words of a query; None if only stop words are left of it."""
    parts = [_phrase(part, words, lookup, is_prefix=False) for part in query[:MAX_CHARS].lower().split()]
    return _joined("AND", [part for part in parts if part])


def parsed_condition(query: str, words: str, lookup: Lookup) -> Condition | None:
    """Return the condition of a query with operators: & | ! ( ) <-> <N> and :* for a prefix. Raises ActionError."""
    if len(query) > MAX_CHARS:
        raise _invalid(query[:200])
    reader = _Reader(query, words, lookup)
    condition = reader.disjunction()
    if reader.rest.strip() or not reader.has_lexeme:
        raise _invalid(query)
    return condition


def _invalid(query: str) -> ActionError:
    message = f'syntax error in tsquery: "{query}"'
    return ActionError(
        409, "Validation Error", query=["Invalid query"], info={"statement": [], "params": [], "orig": [message]}
    )


def _joined(operator: str, conditions: Sequence[Condition]) -> Condition | None:
    if len(conditions) < 2:
        return conditions[0] if conditions else None
    sql = f" {operator} ".join(condition.sql for condition in conditions)
    return Condition(f"({sql})", tuple(value for condition in conditions for value in condition.values))


def _phrase(text: str, words: str, lookup: Lookup, *, is_prefix: bool) -> Condition | None:
    """Return the condition of the words of a text in sequence. A stop word leaves a gap."""
    query_words = QUERY_WORD.findall(text)
    positions = [
        (i, tuple(lookup(word, is_prefix and i == len(query_words) - 1)))
        for i, word in enumerate(query_words)
        if is_prefix or word not in STOP_WORDS
    ]
    return _sequence(positions, words)


def _sequence(positions: Sequence[tuple[int, tuple[str, ...]]], words: str) -> Condition | None:
    if not positions:
        return None
    first = positions[0][0]
    phrase = tuple((position - first, alternatives) for position, alternatives in positions)
    values = tuple(list(alternatives) for _, alternatives in phrase)
    if len(phrase) == 1:
        return Condition(f"list_has_any({words}, ?::VARCHAR[])", values, phrase)
    tests = " AND ".join(f"list_contains(?::VARCHAR[], {words}[i + {offset}])" for offset, _ in phrase)
    sql = f"coalesce(list_bool_or(list_transform(range(1, len({words}) + 1), lambda i: {tests})), false)"
    return Condition(sql, values, phrase)


class _Reader:
    """Reader of a query by to_tsquery's grammar: ! binds closest, then <->, & and |."""

    def __init__(self, query: str, words: str, lookup: Lookup) -> None:
        self.query, self.rest, self.has_lexeme = query, query.lower(), False
        self._words, self._lookup = words, lookup
        self._depth = 0

    def disjunction(self) -> Condition | None:
        return _joined("OR", [c for c in self._operands("|", self._conjunction) if c])

    def _conjunction(self) -> Condition | None:
        return _joined("AND", [c for c in self._operands("&", self._adjacent) if c])

    def _operands(self, operator: str, read: Callable[[], Condition | None]) -> Iterator[Condition | None]:
        yield read()
        while self._next() == operator:
            self._take()
            yield read()

    def _adjacent(self) -> Condition | None:
        condition = self._unary()
        while (self._next() or "").startswith("<"):
            operator = self._take()
            distance = 1 if operator == "<->" else int(operator[1:-1])
            other = self._unary()
            if not condition or not other:
                # The operand is a stop word; the other one is left.
                condition = condition or other
                continue
            if not condition.phrase or not other.phrase:
                raise _invalid(self.query)
            last = condition.phrase[-1][0]
            moved = [(last + distance + offset, alternatives) for offset, alternatives in other.phrase]
            condition = _sequence([*condition.phrase, *moved], self._words)
        return condition

    def _unary(self) -> Condition | None:
        self._depth += 1
        if self._depth > 200:
            raise _invalid(self.query)
        try:
            if self._next() == "!":
                self._take()
                inner = self._unary()
                return Condition(f"(NOT {inner.sql})", inner.values) if inner else None
            if self._next() == "(":
                self._take()
                inner = self.disjunction()
                if self._next() != ")":
                    raise _invalid(self.query)
                self._take()
                return inner
            return self._lexeme()
        finally:
            self._depth -= 1

    def _lexeme(self) -> Condition | None:
        match = LEXEME.match(self.rest)
        # A weight (:A) matches nothing in CKAN, whose words have none.
        if not match or match[3] == ":" or "\\" in match[0]:
            raise _invalid(self.query)
        self.rest, self.has_lexeme = self.rest[match.end() :], True
        text = (match[1] or "").replace("''", "'") or match[2] or ""
        return _phrase(text, self._words, self._lookup, is_prefix=bool(match[3]))

    def _next(self) -> str | None:
        match = OPERATOR.match(self.rest)
        return match[1] if match else None

    def _take(self) -> str:
        match = OPERATOR.match(self.rest)
        if not match:
            raise _invalid(self.query)
        self.rest = self.rest[match.end() :]
        return match[1]


def matching(vocabulary: Collection[str], word: str, is_prefix: bool) -> set[str]:
    """Return the words of a vocabulary with the stem of `word`, or with a stem that begins with it; and `word`."""
    own = word_stem(word)
    if is_prefix:
        return {word, *(other for other in vocabulary if word_stem(other).startswith(own))}
    return {word, *(other for other in vocabulary if other not in STOP_WORDS and word_stem(other) == own)}
