-- Areas that have observations, with the KPIs and datasets they have them in.
-- In:  views observations; table places
-- Out: dataset, code (one that the area goes by), kpis (list), datasets (list); one row an area
-- Cost: one scan of three columns.
SELECT min(p.dataset) AS dataset, arg_min(p.code, p.dataset) AS code,
    list_sort(list(DISTINCT o.kpi)) AS kpis, list_sort(list(DISTINCT p.dataset)) AS datasets
FROM observations o
JOIN places p ON p.dataset = o.dataset AND p.code = o.neighbourhood
GROUP BY p.division, p.key
