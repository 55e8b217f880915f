SELECT area, name, kpis
FROM (SELECT neighbourhood AS code, count(DISTINCT kpi) AS kpis FROM observations GROUP BY ALL) JOIN areas USING (code)
ORDER BY name, area
