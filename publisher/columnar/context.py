"""The columns, names, constants and graphs that all parts of a query's translation share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vaven.publisher.columnar import observations as obs
from vaven.publisher.columnar.expressions import Functions
from vaven.publisher.columnar.relations import Names, Relations, SolutionRelation, VariableColumn
from vaven.publisher.columns.open import Columns
from vaven.publisher.columns.terms import literal
from vaven.publisher.columns.values import DATE_TIME, now_text

RESOURCE = VariableColumn("id", is_resource=True)


@dataclass(frozen=True)
class QueryDataset:
    """The graphs that a pattern is matched in: those of the default graph (None: all), and the named ones.

    Inside of GRAPH, `graph` is the id of the one graph, or the hidden variable whose values are named graphs.
    """

    default: tuple[int, ...] | None = None
    named: tuple[int, ...] | None = None
    graph: int | str | None = None


@dataclass
class Sources:
    """A conjunction: relations under aliases with conditions, and the SQL and column of each variable."""

    tables: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    bound: dict[str, tuple[str, VariableColumn]] = field(default_factory=dict)


class Context:
    """The columns that a query runs over, and the names, functions and constants of its SQL."""

    def __init__(self, columns: Columns, base: str, constants: Mapping[str, int], own: Sequence[str] = ()) -> None:
        """`constants` are the ids of all terms in the query; `own` are those from -2 downwards."""
        self.columns, self.base = columns, base
        self.names, self.functions = Names(), Functions()
        self.relations = Relations(self.names, own)
        self.now = literal(now_text(), DATE_TIME)
        self.ontology = f"{columns.base}ns#"
        self.properties = obs.properties(self.ontology) if columns.has_observations else {}
        self._constants = dict(constants)

    def id(self, term: str) -> int:
        """Return the id of a constant; one that the snapshot lacks has a negative id."""
        return self._constants[term]

    @staticmethod
    def own_terms(ontology: str) -> Iterable[str]:
        """Return the IRIs in triples of observations, which a query's constants include."""
        return (*obs.properties(ontology), *obs.TYPES, obs.RDF_TYPE, obs.OBSERVATION_OF, obs.HAS_NUMBER, obs.MEASURE)

    @staticmethod
    def graph_names(relation: SolutionRelation, dataset: QueryDataset) -> list[str]:
        """Return the hidden variable of the graph around a pattern, if the relation has it."""
        return [dataset.graph] if isinstance(dataset.graph, str) and dataset.graph in relation.columns else []

    def has_observations(self, dataset: QueryDataset) -> bool:
        """Return False if no observation can be in the graphs that a pattern is matched in."""
        graphs = dataset.named if dataset.graph else dataset.default
        if isinstance(dataset.graph, int):
            graphs = (dataset.graph,)
        return graphs is None or not self.columns.observation_graphs.isdisjoint(graphs)

    def graphs(self, variable: str, dataset: QueryDataset) -> SolutionRelation:
        """Return all named graphs as values of a variable."""
        return SolutionRelation(
            f"SELECT g AS {self.names.of(variable)} FROM ({self.all_graphs(dataset)})", {variable: RESOURCE}
        )

    def all_graphs(self, dataset: QueryDataset) -> str:
        sql = "SELECT DISTINCT g FROM triples"
        if dataset.named is not None:
            return f"SELECT g FROM ({sql}) WHERE g IN ({', '.join(map(str, dataset.named)) or 'NULL'})"
        return sql

    def graph_condition(self, column: str, dataset: QueryDataset) -> Iterator[str]:
        """Yield the condition on the graph of a triple, unless it is bound to a variable."""
        if isinstance(dataset.graph, int):
            yield f"{column} = {dataset.graph}"
        elif isinstance(dataset.graph, str):
            if dataset.named is not None:
                yield f"{column} IN ({', '.join(map(str, dataset.named)) or 'NULL'})"
        elif dataset.default is not None:
            yield f"{column} IN ({', '.join(map(str, dataset.default)) or 'NULL'})"
