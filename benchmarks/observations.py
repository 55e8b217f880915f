"""Generated observations of any length: real area codes and KPIs, synthetic values, a key that never repeats."""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import duckdb

from vaven.schemas.standard.read_options import ReadOptions
from vaven.vocab.areas import areas
from vaven.vocab.register import kpis

# KPIs in per cent only, so that one formula gives values in range; the row number decides area, KPI, year, sex, age.
QUERY = """
COPY (
    SELECT a.code AS neighbourhood, k.slug AS kpi, (2005 + i % 20)::VARCHAR AS period,
        ['T', 'F', 'M'][1 + (i // 20) % 3] AS sex,
        ['T', '16-24', '25-44', '45-64', '65-79', '80+'][1 + (i // 60) % 6] AS age_group,
        CASE WHEN {fault} THEN {faulty} ELSE
            round(40 + 20 * sin(i // 360) + (i % 20) / 4 + [0, -1, 1][1 + (i // 20) % 3] + (i // 60) % 6, 1)::VARCHAR
            END AS value,
        NULL::VARCHAR AS numerator, NULL::VARCHAR AS denominator, (50 + i % 200)::VARCHAR AS sample_size,
        'A' AS status, 'survey' AS method, NULL::VARCHAR AS note
    FROM range({rows}) r(i)
    JOIN codes a ON a.nr = (i // 360) % {areas}
    JOIN slugs k ON k.nr = (i // (360 * {areas})) % {kpis}
    ORDER BY i
) TO '{path}' (FORMAT csv, HEADER)
"""

# Eleven cells a row that no rule accepts (free text is never wrong), and no two rows with the same key.
WRONG = """
COPY (
    SELECT 'område ' || i AS neighbourhood, 'fel' AS kpi, 'i fjol' AS period, 'Z' AS sex, 'unga' AS age_group,
        'fel' AS value, 'x' AS numerator, 'y' AS denominator, 'z' AS sample_size, 'Ä' AS status, 'gissning' AS method,
        NULL::VARCHAR AS note
    FROM range({rows}) r(i)
) TO '{path}' (FORMAT csv, HEADER)
"""
WRONG_CELLS = 11
NUMBERS = ("value", "sample_size")
# A table cannot state them itself.
# The publisher that the mapping for morph-kgc names.
LICENCE_AND_PUBLISHER = ReadOptions(licence="cc0", publisher="Den sociala väven")


def write_observations(
    path: Path,
    rows: int,
    *,
    faulty_share: float | None = 0.0,
    faulty: str = "CASE WHEN i % 2 = 0 THEN '140' ELSE 'fel' END",
    codes: Sequence[str] = (),
    first_kpis: Sequence[str] = (),
) -> Path:
    """Write a CSV of 12 columns. `faulty_share` of the values, or all if it is None, are those of the SQL `faulty`.

    By default these are out of range or no numbers.

    Each area has 360 rows a KPI, and every area has the first KPI before any has the second: `first_kpis` come before
    the others. `codes` are the areas, by default all DeSO.
    """
    every = round(1 / faulty_share) if faulty_share else 0
    codes = codes or list(areas().deso2018)
    slugs = [k.id for k in kpis().values() if k.unit("en") == "%" and k.maximum == 100]
    slugs = [*first_kpis, *(slug for slug in slugs if slug not in first_kpis)]
    with duckdb.connect() as work:
        for name, values in (("codes", codes), ("slugs", slugs)):
            column = "code" if name == "codes" else "slug"
            work.execute(f"CREATE TABLE {name} (nr BIGINT, {column} VARCHAR)")
            work.execute(f"INSERT INTO {name} SELECT range, $1[1 + range] FROM range({len(values)})", [values])
        work.execute(
            QUERY.format(
                rows=rows,
                areas=len(codes),
                kpis=len(slugs),
                path=path,
                fault="TRUE" if faulty_share is None else f"i % {every} = 1" if every else "FALSE",
                faulty=faulty,
            )
        )
    return path


def write_wrong(path: Path, rows: int) -> Path:
    """Write a CSV in which every cell is wrong except those of the column note, which is empty."""
    with duckdb.connect() as work:
        work.execute(WRONG.format(rows=rows, path=path))
    return path


def write_jumping(path: Path, rows: int) -> Path:
    """Write a valid CSV in which nearly every value gives a warning: each series jumps from year to year."""
    return write_observations(path, rows, faulty="CASE WHEN i % 2 = 0 THEN '2' ELSE '98' END", faulty_share=None)


def write_workbook(path: Path, rows: int, *, faulty_share: float = 0.0) -> Path:
    """Write the same observations as an XLSX, with numbers as numbers and codes as text."""
    from openpyxl import Workbook

    table = write_observations(path.with_suffix(".csv"), rows, faulty_share=faulty_share)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Observationer")
    with table.open(newline="") as lines:
        reader = csv.DictReader(lines)
        sheet.append(list(reader.fieldnames or ()))
        for row in reader:
            sheet.append([_as_number(cell) if name in NUMBERS else cell or None for name, cell in row.items()])
    book.save(path)
    table.unlink()
    return path


def _as_number(cell: str) -> float | str:
    return float(cell) if cell.replace(".", "", 1).isdigit() else cell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("--faulty", type=float, default=0.0, help="share of faulty values; 1 makes every cell wrong")
    parser.add_argument("--jumping", action="store_true", help="nearly every value gives a warning")
    options = parser.parse_args()
    if options.jumping:
        write_jumping(options.path, options.rows)
    elif options.faulty == 1:
        write_wrong(options.path, options.rows)
    elif options.path.suffix == ".xlsx":
        write_workbook(options.path, options.rows, faulty_share=options.faulty)
    else:
        write_observations(options.path, options.rows, faulty_share=options.faulty)


if __name__ == "__main__":
    main()
