SELECT DISTINCT d.subject, coalesce(w.object, e.object) AS title, n.object AS publisher, v.object AS version,
    m.object AS modified, l.object AS licence
FROM facts d
JOIN facts c ON c.subject = d.subject AND c.property = 'rdf:type' AND c.object = 'http://www.w3.org/ns/dcat#Dataset'
JOIN facts p ON p.subject = d.subject AND p.property = 'dcterms:publisher'
JOIN facts n ON n.subject = p.object AND n.property = 'foaf:name'
JOIN facts v ON v.subject = d.subject AND v.property = 'dcat:version'
JOIN facts m ON m.subject = d.subject AND m.property = 'dcterms:modified'
JOIN facts f ON f.subject = d.subject AND f.property = 'dcat:distribution'
JOIN facts l ON l.subject = f.object AND l.property = 'dcterms:license'
LEFT JOIN facts w ON w.subject = d.subject AND w.property = 'dcterms:title' AND w.language = 'sv'
LEFT JOIN facts e ON e.subject = d.subject AND e.property = 'dcterms:title' AND e.language LIKE 'en%'
WHERE d.property = 'rdf:type' AND d.object = 'http://purl.org/linked-data/cube#DataSet'
ORDER BY title
