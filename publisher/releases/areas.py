"""The areas of a release: what each code in `neighbourhoods` or `observations` stands for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vaven.vocab.areas import Area, areas
from vaven.vocab.iris import Iris


@dataclass(frozen=True)
class ReleasedArea:
    """`code` as the submission writes it; `division` and `key` make its IRI; `parts` the DeSO of an own area.

    `kommun` is a code of four digits, `geometry` a GeoJSON text; both may be empty.
    """

    code: str
    division: str
    key: str
    name: str
    kommun: str
    kommun_name: str
    parts: tuple[str, ...] = ()
    geometry: str = ""

    def iri(self, iris: Iris) -> str:
        return iris.area(self.division, self.key)


def released_areas(
    dataset: str, neighbourhoods: Iterable[Mapping[str, str | None]], codes: Iterable[str], division: str
) -> dict[str, ReleasedArea]:
    """Every area by code: those declared, then those that observations name without a declaration. `division` is that
    of areas without a vintage, as schemas.tables.About.area_vintage."""
    found = {str(row["code"]): _declared(dataset, row, division) for row in neighbourhoods}
    for code in codes:
        if code not in found and (place := _official(areas().find_of(code, division), "")):
            found[code] = place
    return found


def _declared(dataset: str, row: Mapping[str, str | None], division: str) -> ReleasedArea:
    code, kommun = str(row["code"]), row["municipality"] or ""
    if row["level"] != "own":
        vintage = row["vintage"] if row["level"] in ("deso", "regso") else None
        area = areas().find(code, vintage) if vintage else areas().find_of(code, division)
        if place := _official(area, row["name"] or ""):
            return place
    return ReleasedArea(
        code=code,
        division="own",
        # Two partners may choose the same word, so an own area's key carries its dataset.
        key=f"{dataset}.{code}",
        name=row["name"] or code,
        kommun=kommun,
        kommun_name=_kommun_name(kommun),
        parts=tuple(part.strip() for part in (row["deso_codes"] or "").split(";") if part.strip()),
        geometry=row["geometry"] or "",
    )


def _official(area: Area | None, name: str) -> ReleasedArea | None:
    if area is None:
        return None
    code = area.code
    return ReleasedArea(code, area.division, code, name or area.name or code, area.kommun, _kommun_name(area.kommun))


def _kommun_name(code: str) -> str:
    kommun = areas().kommuner.get(code)
    return kommun.name if kommun else ""
