SELECT a.area, a.name, p.label AS year, w.value AS women, m.value AS men, w.value - m.value AS gap
FROM observations w
JOIN observations m ON m.neighbourhood = w.neighbourhood AND m.period = w.period
JOIN areas a ON a.code = w.neighbourhood JOIN periods p ON p.code = w.period
WHERE w.kpi = '{kpi}' AND w.sex = 'F' AND w.age_group = 'T' AND w.value IS NOT NULL
    AND m.kpi = '{kpi}' AND m.sex = 'M' AND m.age_group = 'T' AND m.value IS NOT NULL
ORDER BY a.name, a.area, year
