-- Series of observations with their baseline and target.
-- In:  views observations, targets; table places; parameters kpi, division, key (each may be NULL: no limit), totals (only sex T and age T)
-- Out: dataset, code, kpi, sex, age, points (list of structs by period), baseline, target (struct or NULL)
-- Cost: one scan of the columns used, with the KPI pushed down into Parquet.
WITH chosen AS (
    SELECT o.dataset, o.neighbourhood AS code, o.kpi, o.sex, o.age_group AS age,
        list({'period': o.period, 'value': o.value, 'status': o.status, 'ci_lower': o.ci_lower,
              'ci_upper': o.ci_upper, 'method': o.method, 'note': o.note} ORDER BY o.period) AS points
    FROM observations o
    JOIN places p ON p.dataset = o.dataset AND p.code = o.neighbourhood
    WHERE ($kpi IS NULL OR o.kpi = $kpi)
      AND (NOT $totals OR (o.sex = 'T' AND o.age_group = 'T'))
      AND ($division IS NULL OR (p.division = $division AND p.key = $key))
    GROUP BY ALL
)
SELECT c.*,
    CASE WHEN t.baseline_period IS NOT NULL THEN {'period': t.baseline_period, 'value': t.baseline_value} END AS baseline,
    CASE WHEN t.period IS NOT NULL THEN {'period': t.period, 'value': t.target_value} END AS target
FROM chosen c
LEFT JOIN (
    -- Where several targets are set for different years, the one furthest ahead is drawn.
    SELECT dataset, neighbourhood, kpi, max_by(period, period) AS period, max_by(target_value, period) AS target_value,
        max_by(baseline_period, period) AS baseline_period, max_by(baseline_value, period) AS baseline_value
    FROM targets GROUP BY ALL
) t ON t.dataset = c.dataset AND t.neighbourhood = c.code AND t.kpi = c.kpi AND c.sex = 'T' AND c.age = 'T'
ORDER BY (c.sex <> 'T')::INT + (c.age <> 'T')::INT, c.kpi, c.code, c.dataset, c.sex, c.age
