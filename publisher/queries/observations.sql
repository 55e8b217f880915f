-- N-Triples of all observations, one line a row.
-- In:  observations  the released Parquet, as a view
--      areas(code, iri), kpis(code, iri, unit, segment), periods(code, iri, segment), ages(code, iri, segment),
--      sexes(code, iri), statuses(code, iri), methods(code, iri): IRIs in angle brackets, minted by vocab.iris
--      terms: one row of constant texts (stem of the observation IRIs; predicates with blanks around)
-- Out: line VARCHAR
-- Cost: one scan and seven small hash joins; nothing is sorted, so memory does not grow with the length.
WITH subjects AS (
    SELECT
        '<' || t.stem || a.segment || '/' || k.segment || '/' || p.segment || '/' || o.sex || '/' || g.segment || '> ' AS s,
        o.*, t.*,
        a.iri AS area_iri, k.iri AS kpi_iri, k.unit AS unit_iri, p.iri AS period_iri, g.iri AS age_iri,
        x.iri AS sex_iri, u.iri AS status_iri, m.iri AS method_iri
    FROM observations o
    CROSS JOIN terms t
    JOIN areas a ON a.code = o.neighbourhood
    JOIN kpis k ON k.code = o.kpi
    JOIN periods p ON p.code = o.period
    JOIN ages g ON g.code = o.age_group
    JOIN sexes x ON x.code = o.sex
    JOIN statuses u ON u.code = o.status
    LEFT JOIN methods m ON m.code = o.method
),
lines AS (
    SELECT unnest([
        s || is_observation,
        s || is_report,
        s || in_dataset,
        s || ref_area || area_iri || ' .',
        s || kpi_dimension || kpi_iri || ' .',
        s || for_indicator || kpi_iri || ' .',
        s || ref_period || period_iri || ' .',
        s || sex_dimension || sex_iri || ' .',
        s || age_dimension || age_iri || ' .',
        s || obs_value || coalesce('"' || plain(value) || '"' || decimal_type, '""' || undefined_type) || ' .',
        s || unit_measure || unit_iri || ' .',
        s || obs_status || status_iri || ' .',
        s || numerator_attribute || '"' || plain(numerator) || '"' || decimal_type || ' .',
        s || denominator_attribute || '"' || plain(denominator) || '"' || decimal_type || ' .',
        s || sample_size_attribute || '"' || sample_size || '"' || integer_type || ' .',
        s || ci_lower_attribute || '"' || plain(ci_lower) || '"' || decimal_type || ' .',
        s || ci_upper_attribute || '"' || plain(ci_upper) || '"' || decimal_type || ' .',
        s || method_attribute || method_iri || ' .',
        s || comment || '"' || replace(replace(replace(replace(note, '\', '\\'), '"', '\"'), chr(10), '\n'), chr(13), '\r')
            || '" .'
    ]) AS line
    FROM subjects
)
SELECT line FROM lines WHERE line IS NOT NULL
