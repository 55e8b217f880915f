SELECT k.label, p.label AS year, o.value
FROM observations o JOIN kpis k ON k.code = o.kpi JOIN periods p ON p.code = o.period
WHERE o.neighbourhood = '{area}' AND o.sex = 'T' AND o.age_group = 'T' AND o.value IS NOT NULL
ORDER BY k.label, year
