SELECT n.object AS investment, w.area, w.name AS place, k.label, p.label AS year, e.object > s.object AS after, o.value
FROM facts i
JOIN facts n ON n.subject = i.subject AND n.property = 'rdfs:label'
JOIN facts s ON s.subject = i.subject AND s.property = 'dcat:startDate'
JOIN facts a ON a.subject = i.subject AND a.property = 'vaven:neighbourhood'
JOIN facts t ON t.subject = i.subject AND t.property = 'vaven:targetedKpi'
JOIN kpis k ON k.kpi = t.object
JOIN areas w ON w.area = a.object
JOIN observations o ON o.neighbourhood = w.code AND o.kpi = k.code
JOIN periods p ON p.code = o.period
JOIN facts e ON e.subject = p.period AND e.property = 'dcat:endDate'
WHERE i.property = 'rdf:type' AND i.object = '{base}ns#Investment'
    AND o.sex = 'T' AND o.age_group = 'T' AND o.value IS NOT NULL
ORDER BY investment, k.label, place, year
