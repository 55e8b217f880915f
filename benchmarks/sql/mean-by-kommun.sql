SELECT p.label, k.kommun, k.name, areas, mean
FROM (
    SELECT o.kpi, b.object AS kommun, count(*) AS areas, avg(o.value) AS mean
    FROM observations o JOIN facts b ON b.kind = 'area' AND b.property = 'skos:broader' AND b.code = o.neighbourhood
    WHERE o.period = '{year}' AND o.sex = 'T' AND o.age_group = 'T' AND o.value IS NOT NULL
    GROUP BY ALL
) m
JOIN kpis p ON p.code = m.kpi
JOIN (SELECT subject AS kommun, object AS name FROM facts WHERE property = 'skos:prefLabel') k ON k.kommun = m.kommun
ORDER BY p.label, k.name
