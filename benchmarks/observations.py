"""Generated observations of any length: real area codes and KPIs, made-up values, a key that never repeats."""

import sys
from pathlib import Path

import duckdb

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


def write_observations(path: Path, rows: int, *, faulty_share: float = 0.0) -> Path:
    """A CSV of 12 columns. `faulty_share` of the values are out of range or no numbers."""
    every = round(1 / faulty_share) if faulty_share else 0
    codes = list(areas().deso2018)
    slugs = [k.id for k in kpis().values() if k.unit("en") == "%" and k.maximum == 100]
    with duckdb.connect() as work:
        for name, listed in (("codes", codes), ("slugs", slugs)):
            column = "code" if name == "codes" else "slug"
            work.execute(f"CREATE TABLE {name} (nr BIGINT, {column} VARCHAR)")
            work.execute(f"INSERT INTO {name} SELECT range, $1[1 + range] FROM range({len(listed)})", [listed])
        work.execute(
            QUERY.format(
                rows=rows,
                areas=len(codes),
                kpis=len(slugs),
                path=path,
                fault=f"i % {every} = 1" if every else "FALSE",
                faulty="CASE WHEN i % 2 = 0 THEN '140' ELSE 'fel' END",
            )
        )
    return path


if __name__ == "__main__":
    write_observations(Path(sys.argv[1]), int(sys.argv[2]), faulty_share=float(sys.argv[3]))
