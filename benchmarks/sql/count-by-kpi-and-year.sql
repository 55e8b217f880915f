SELECT k.kpi, k.label, p.label AS year, n
FROM (SELECT kpi, period, count(*) AS n FROM observations GROUP BY ALL) c
JOIN kpis k ON k.code = c.kpi JOIN periods p ON p.code = c.period
ORDER BY k.label, year
