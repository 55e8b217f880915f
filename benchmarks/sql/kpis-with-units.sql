SELECT k.kpi, k.label, t.object AS theme, u.object AS unit, d.object AS direction
FROM kpis k
JOIN facts b ON b.subject = k.kpi AND b.property = 'skos:broader'
JOIN facts t ON t.subject = b.object AND t.property = 'skos:prefLabel' AND t.language = 'sv'
JOIN facts u ON u.subject = k.kpi AND u.property = 'sdmx-attribute:unitMeasure'
JOIN facts d ON d.subject = k.kpi AND d.property = 'vaven:direction'
ORDER BY theme, label
