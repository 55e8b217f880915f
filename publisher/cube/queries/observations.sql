-- Write the N-Triples of all observations, and count their lines.
-- In:  observations  the released Parquet, as a view
--      areas(code, segment, name, tail), kpis(code, segment, name, measure, tail, unit, indicator),
--      periods(code, segment, tail, began, ended), ages(code, segment, tail), sexes(code, tail),
--      statuses(code, tail), methods(code, tail)
--      macros plain(number) and escaped(text); parameters: tails, or the beginning or end of a tail
-- Out: text VARCHAR, all lines of one observation; lines BIGINT; one row per observation
-- Cost: one scan and seven small hash joins; nothing is sorted, so memory does not grow with the number of rows
-- A tail is the rest of a line after the subject `s`: predicate, object, full stop and line end. One text per
-- observation instead of one per line takes less than half the time.
SELECT
    concat(
        s, $is_observation,
        s, $is_cube_observation,
        $member, s, $stop,
        s, $in_dataset,
        s, $observed_by,
        s, area,
        s, kpi,
        s, period,
        s, sex,
        s, age,
        s, CASE WHEN value IS NULL THEN $no_value ELSE concat($value, plain(value), $decimal) END,
        s, unit,
        s, status,
        CASE WHEN numerator IS NOT NULL THEN concat(s, $numerator, plain(numerator), $decimal) END,
        CASE WHEN denominator IS NOT NULL THEN concat(s, $denominator, plain(denominator), $decimal) END,
        CASE WHEN sample_size IS NOT NULL THEN concat(s, $sample_size, sample_size, $integer) END,
        CASE WHEN ci_lower IS NOT NULL THEN concat(s, $ci_lower, plain(ci_lower), $decimal)
            WHEN $has_interval THEN concat(s, $no_ci_lower) END,
        CASE WHEN ci_upper IS NOT NULL THEN concat(s, $ci_upper, plain(ci_upper), $decimal)
            WHEN $has_interval THEN concat(s, $no_ci_upper) END,
        CASE WHEN method IS NOT NULL THEN concat(s, method) END,
        CASE WHEN note IS NOT NULL THEN concat(s, $comment, escaped(note), $string) END,
        -- Reports are totals over sex and age with a value: CIDS has no sex, no age and no missing values.
        CASE WHEN is_report THEN concat(
            s, $is_report,
            s, indicator,
            s, $for_organization,
            s, $has_name, escaped(concat(kpi_name, ', ', area_name, ', ', period_text)), $string,
            s, began,
            s, ended,
            s, $has_quantity, measure, plain(value), '>', $end) END
    ) AS text,
    13 + (numerator IS NOT NULL)::BIGINT + (denominator IS NOT NULL)::BIGINT + (sample_size IS NOT NULL)::BIGINT
        + ($has_interval OR ci_lower IS NOT NULL)::BIGINT + ($has_interval OR ci_upper IS NOT NULL)::BIGINT
        + (method IS NOT NULL)::BIGINT + (note IS NOT NULL)::BIGINT + CASE WHEN is_report THEN 7 ELSE 0 END AS lines
FROM (
    SELECT
        concat('<', $iri_prefix, a.segment, '/', k.segment, '/', p.segment, '/', o.sex, '/', g.segment, '> ') AS s,
        o.value, o.numerator, o.denominator, o.sample_size, o.ci_lower, o.ci_upper, o.note, o.period AS period_text,
        o.sex = 'T' AND o.age_group = 'T' AND o.value IS NOT NULL AS is_report,
        a.tail AS area, a.name AS area_name, k.tail AS kpi, k.name AS kpi_name, k.unit, k.indicator, k.measure,
        p.tail AS period, p.began, p.ended, x.tail AS sex, g.tail AS age, u.tail AS status, m.tail AS method
    FROM observations o
    JOIN areas a ON a.code = o.neighbourhood
    JOIN kpis k ON k.code = o.kpi
    JOIN periods p ON p.code = o.period
    JOIN ages g ON g.code = o.age_group
    JOIN sexes x ON x.code = o.sex
    JOIN statuses u ON u.code = o.status
    LEFT JOIN methods m ON m.code = o.method
)
