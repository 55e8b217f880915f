SELECT k.kpi, k.label, m.property, m.object AS indicator
FROM kpis k JOIN facts m ON m.subject = k.kpi
WHERE m.property IN ('skos:exactMatch', 'skos:closeMatch', 'skos:broadMatch', 'skos:narrowMatch', 'skos:relatedMatch')
    AND starts_with(m.object, 'http://metadata.un.org/sdg/')
ORDER BY k.label, indicator
