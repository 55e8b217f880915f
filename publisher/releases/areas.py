"""The areas of a release, by the codes in `neighbourhoods` and `observations`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vaven.vocab.areas import Area, areas
from vaven.vocab.iris import Iris


@dataclass(frozen=True)
class ReleasedArea:
    """An area of a release. `code` is the submission's; `area_vintage` and `key` determine the IRI.

    `parts` are the DeSO of an own area, `kommun` is a code of four digits, `geometry` a GeoJSON text; all may be empty.
    """

    code: str
    area_vintage: str
    key: str
    name: str
    kommun: str
    kommun_name: str
    parts: tuple[str, ...] = ()
    geometry: str = ""

    def iri(self, iris: Iris) -> str:
        return iris.area(self.area_vintage, self.key)


def released_areas(
    dataset: str, neighbourhoods: Iterable[Mapping[str, str | None]], codes: Iterable[str], area_vintage: str
) -> dict[str, ReleasedArea]:
    """Return every area by code: the declared areas, then those that only observations name.

    `area_vintage` applies to areas that state none, as schemas.tables.About.area_vintage.
    """
    released = {str(row["code"]): _declared(dataset, row, area_vintage) for row in neighbourhoods}
    for code in codes:
        if code not in released and (official := _official(areas().find_in(code, area_vintage), "")):
            released[code] = official
    return released


def _declared(dataset: str, row: Mapping[str, str | None], area_vintage: str) -> ReleasedArea:
    code, kommun = str(row["code"]), row["municipality"] or ""
    if row["level"] != "own":
        vintage = row["vintage"] if row["level"] in ("deso", "regso") else None
        area = areas().find(code, vintage) if vintage else areas().find_in(code, area_vintage)
        if official := _official(area, row["name"] or ""):
            return official
    return ReleasedArea(
        code=code,
        area_vintage="own",
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
    return ReleasedArea(
        code, area.area_vintage, code, name or area.name or code, area.kommun, _kommun_name(area.kommun)
    )


def _kommun_name(code: str) -> str:
    kommun = areas().kommuner.get(code)
    return kommun.name if kommun else ""
