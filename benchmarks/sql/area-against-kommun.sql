WITH chosen AS (
    SELECT o.neighbourhood AS code, o.value, k.kommun, k.name AS municipality
    FROM observations o JOIN kommuner k ON k.code = o.neighbourhood
    WHERE o.kpi = '{kpi}' AND o.period = '{year}' AND o.sex = 'T' AND o.age_group = 'T' AND o.value IS NOT NULL
)
SELECT a.area, a.name, municipality, value, mean, value - mean AS difference
FROM chosen JOIN areas a USING (code) JOIN (SELECT kommun, avg(value) AS mean FROM chosen GROUP BY ALL) USING (kommun)
ORDER BY difference DESC, a.name
