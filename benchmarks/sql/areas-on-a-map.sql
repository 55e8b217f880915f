SELECT DISTINCT a.subject AS area, coalesce(n.object, p.object) AS name, j.object AS geometry
FROM facts a
JOIN facts g ON g.subject = a.subject AND g.property = 'geo:hasGeometry'
JOIN facts j ON j.subject = g.object AND j.property = 'geo:asGeoJSON'
LEFT JOIN facts n ON n.subject = a.subject AND n.property = 'rdfs:label'
LEFT JOIN facts p ON p.subject = a.subject AND p.property = 'skos:prefLabel'
WHERE a.property = 'rdf:type' AND a.object = '{base}ns#Area'
ORDER BY name
