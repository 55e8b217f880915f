SELECT i.subject, n.object AS name, a.object AS area, w.name AS place, k.label, s.object AS start, m.object AS amount
FROM facts i
JOIN facts n ON n.subject = i.subject AND n.property = 'rdfs:label'
JOIN facts s ON s.subject = i.subject AND s.property = 'dcat:startDate'
JOIN facts a ON a.subject = i.subject AND a.property = 'vaven:neighbourhood'
JOIN facts t ON t.subject = i.subject AND t.property = 'vaven:targetedKpi'
JOIN kpis k ON k.kpi = t.object
JOIN areas w ON w.area = a.object
LEFT JOIN facts m ON m.subject = i.subject AND m.property = 'vaven:amount'
WHERE i.property = 'rdf:type' AND i.object = '{base}ns#Investment'
ORDER BY n.object, place, k.label
