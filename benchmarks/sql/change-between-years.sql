SELECT a.area, a.name, f.value AS before, l.value AS after, l.value - f.value AS change
FROM observations f
JOIN observations l ON l.neighbourhood = f.neighbourhood
JOIN areas a ON a.code = f.neighbourhood
WHERE f.kpi = '{kpi}' AND f.period = '{first_year}' AND f.sex = 'T' AND f.age_group = 'T' AND f.value IS NOT NULL
    AND l.kpi = '{kpi}' AND l.period = '{year}' AND l.sex = 'T' AND l.age_group = 'T' AND l.value IS NOT NULL
ORDER BY change, a.name
