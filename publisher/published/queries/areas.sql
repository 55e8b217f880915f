-- Areas with observations, and the KPIs and datasets of these.
-- In:  view observations; table areas
-- Out: dataset, code (one of the codes for the area), kpis (list), datasets (list); one row for each area
-- Cost: one scan of three columns.
SELECT min(p.dataset) AS dataset, arg_min(p.code, p.dataset) AS code,
    list_sort(list(DISTINCT o.kpi)) AS kpis, list_sort(list(DISTINCT p.dataset)) AS datasets
FROM observations o
JOIN areas p ON p.dataset = o.dataset AND p.code = o.neighbourhood
GROUP BY p.area_vintage, p.key
