SELECT k.property AS kind, k.object AS property, l.object AS label, r.object AS range
FROM facts s
JOIN facts k ON k.subject = s.object AND k.property IN ('qb:dimension', 'qb:measure', 'qb:attribute')
LEFT JOIN facts o ON o.subject = s.object AND o.property = 'qb:order'
JOIN facts l ON l.subject = k.object AND l.property = 'rdfs:label' AND l.language = 'sv'
LEFT JOIN facts r ON r.subject = k.object AND r.property = 'rdfs:range'
WHERE s.subject = '{base}ns#structure' AND s.property = 'qb:component'
ORDER BY coalesce(o.object::INTEGER, 99), kind DESC, k.object
