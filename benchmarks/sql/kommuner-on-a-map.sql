SELECT DISTINCT m.kommun, k.object AS name, areas, mean, j.object AS geometry
FROM (
    SELECT b.object AS kommun, count(*) AS areas, avg(o.value) AS mean
    FROM observations o JOIN facts b ON b.kind = 'area' AND b.property = 'skos:broader' AND b.code = o.neighbourhood
    WHERE o.kpi = '{kpi}' AND o.period = '{year}' AND o.sex = 'T' AND o.age_group = 'T' AND o.value IS NOT NULL
    GROUP BY ALL
) m
JOIN facts k ON k.subject = m.kommun AND k.property = 'skos:prefLabel'
JOIN facts g ON g.subject = m.kommun AND g.property = 'geo:hasGeometry'
JOIN facts j ON j.subject = g.object AND j.property = 'geo:asGeoJSON'
ORDER BY name
