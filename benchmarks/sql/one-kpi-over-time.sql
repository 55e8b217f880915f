SELECT a.area, a.name, p.label AS year, o.value
FROM observations o JOIN areas a ON a.code = o.neighbourhood JOIN periods p ON p.code = o.period
WHERE o.kpi = '{kpi}' AND o.sex = 'T' AND o.age_group = 'T' AND o.value IS NOT NULL
ORDER BY a.name, a.area, year
