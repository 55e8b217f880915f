WITH targets AS (
    SELECT t.subject, a.object AS area, k.object AS kpi, b.object::DOUBLE AS baseline, s.object AS starts,
        g.object::DOUBLE AS goal, y.object AS until
    FROM facts t
    JOIN facts a ON a.subject = t.subject AND a.property = 'vaven:neighbourhood'
    JOIN facts k ON k.subject = t.subject AND k.property = 'cids:forIndicator'
    JOIN facts b ON b.subject = t.subject AND b.property = 'vaven:baselineValue'
    JOIN facts p ON p.subject = t.subject AND p.property = 'vaven:baselinePeriod'
    JOIN facts s ON s.subject = p.object AND s.property = 'dcat:startDate'
    JOIN facts g ON g.subject = t.subject AND g.property = 'vaven:targetValue'
    JOIN facts e ON e.subject = t.subject AND e.property = 'vaven:targetPeriod'
    JOIN facts y ON y.subject = e.object AND y.property = 'rdfs:label'
    WHERE t.property = 'rdf:type' AND t.object = '{base}ns#Target'
)
SELECT a.name, k.label, p.label AS year, o.value, baseline, goal, until, (o.value - baseline) / (goal - baseline)
FROM targets t
JOIN areas a ON a.area = t.area
JOIN kpis k ON k.kpi = t.kpi
JOIN observations o ON o.neighbourhood = a.code AND o.kpi = k.code
JOIN periods p ON p.code = o.period
JOIN facts s ON s.subject = p.period AND s.property = 'dcat:startDate'
WHERE o.sex = 'T' AND o.age_group = 'T' AND o.value IS NOT NULL AND s.object >= t.starts
ORDER BY a.name, k.label, year
