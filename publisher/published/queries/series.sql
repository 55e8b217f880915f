-- The observations of series, one in each row, with the series' baseline and target.
-- In:  views observations, targets; table areas; parameters kpi, area_vintage, key (each may be NULL: no limit), totals (only sex T and age T)
-- Out: dataset, code, kpi, sex, age, baseline and target (a period and a value each, or NULL), then period, value, status,
--      ci_lower, ci_upper, method, note; the rows of a series together, by period
-- Cost: one scan of the columns used, with the KPI pushed down into Parquet; a list of structs for each series takes twice as long.
SELECT o.dataset, o.neighbourhood AS code, o.kpi, o.sex, o.age_group AS age,
    t.baseline_period, t.baseline_value, t.period AS target_period, t.target_value,
    o.period, o.value::DOUBLE AS value, coalesce(o.status, '') AS status, o.ci_lower::DOUBLE AS ci_lower,
    o.ci_upper::DOUBLE AS ci_upper, coalesce(o.method, '') AS method, coalesce(o.note, '') AS note
FROM observations o
JOIN areas p ON p.dataset = o.dataset AND p.code = o.neighbourhood
LEFT JOIN (
    -- Of several targets for different years, the last one is used.
    SELECT dataset, neighbourhood, kpi, max_by(period, period) AS period, max_by(target_value, period)::DOUBLE AS target_value,
        max_by(baseline_period, period) AS baseline_period, max_by(baseline_value, period)::DOUBLE AS baseline_value
    FROM targets GROUP BY ALL
) t ON t.dataset = o.dataset AND t.neighbourhood = o.neighbourhood AND t.kpi = o.kpi AND o.sex = 'T' AND o.age_group = 'T'
WHERE ($kpi IS NULL OR o.kpi = $kpi)
  AND (NOT $totals OR (o.sex = 'T' AND o.age_group = 'T'))
  AND ($area_vintage IS NULL OR (p.area_vintage = $area_vintage AND p.key = $key))
ORDER BY (o.sex <> 'T')::INT + (o.age_group <> 'T')::INT, o.kpi, o.neighbourhood, o.dataset, o.sex, o.age_group, o.period
