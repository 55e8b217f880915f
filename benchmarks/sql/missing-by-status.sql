SELECT k.label, n.object AS code, m.object AS meaning, c.n, c.without
FROM (
    SELECT kpi, status, count(*) AS n, count(*) FILTER (value IS NULL) AS without
    FROM observations WHERE status <> 'A' GROUP BY ALL
) c
JOIN kpis k ON k.code = c.kpi
JOIN facts n ON n.kind = 'status' AND n.code = c.status AND n.property = 'skos:notation'
JOIN facts m ON m.subject = n.subject AND m.property = 'skos:prefLabel' AND m.language = 'sv'
ORDER BY k.label, code
