-- Write valid observations of areas by all KPIs, years, sexes and age groups.
-- In:  codes(code), the areas; indicators(slug, lowest, highest, decimals, is_count, method); {years}; {path}
-- Out: a CSV file, ordered by its key
-- Cost: linear, and a sort that spills to disk
-- Each area has a level by KPI, which drifts a little from year to year; totals lie between their parts, and counts are
-- the sums of theirs. One value of a hundred is missing, and 2011 has a new method. No count is suppressed (docs/scale.md).
COPY (
    SELECT code AS neighbourhood, slug AS kpi, year::VARCHAR AS period, sex, age AS age_group,
        CASE WHEN noise < 10 THEN NULL
            WHEN is_count THEN ((2 + (40 * level)::BIGINT) * 5 * sex_share * age_share)::VARCHAR
            ELSE format('{{:.' || decimals || 'f}}', lowest + (highest - lowest)
                * (0.3 + 0.4 * level + (sex_shift + age_shift + (year - 2005) / 2 + (noise - 500) / 333) / 100)) END AS value,
        CASE WHEN method = 'survey' THEN (60 + noise % 200)::VARCHAR END AS sample_size,
        CASE WHEN noise < 5 THEN 'L' WHEN noise < 10 THEN 'O' WHEN year = 2011 THEN 'B' ELSE 'A' END
            AS status,
        method,
        CASE WHEN year = 2011 AND sex = 'T' AND age = 'T' THEN 'Ny mätmetod från och med 2011.' END AS note
    FROM (
        SELECT a.code, k.*, 2005 + y.range AS year, s.sex, s.share AS sex_share, s.shift AS sex_shift, g.age,
            g.share AS age_share, g.shift AS age_shift, hash(a.code, k.slug) % 1000 / 1000 AS level,
            (hash(a.code, k.slug, y.range, s.sex, g.age) % 1000)::BIGINT AS noise
        FROM codes a, indicators k, range({years}) y,
            (VALUES ('T', 2, 0), ('F', 1, -3), ('M', 1, 3)) s(sex, share, shift),
            (VALUES ('T', 5, 0), ('16-24', 1, -4), ('25-44', 1, -2), ('45-64', 1, 0), ('65-79', 1, 2), ('80+', 1, 4))
                g(age, share, shift)
    )
    ORDER BY code, slug, year, sex, age
) TO '{path}' (FORMAT csv, HEADER)
