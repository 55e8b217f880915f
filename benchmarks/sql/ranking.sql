SELECT a.area, a.name, o.value
FROM observations o JOIN areas a ON a.code = o.neighbourhood
WHERE o.kpi = '{kpi}' AND o.period = '{year}' AND o.sex = 'T' AND o.age_group = 'T' AND o.value IS NOT NULL
ORDER BY o.value, a.name
LIMIT 20
