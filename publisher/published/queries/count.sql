-- How many observations there are of one thing.
-- In:  views observations; table places; parameters dataset, kpi, division, key, period, age, status, method
--      (each may be NULL: no limit)
-- Out: one number
-- Cost: one scan of the columns asked about; in Parquet their dictionaries are tried first.
SELECT count(*) FROM observations o
WHERE ($dataset IS NULL OR o.dataset = $dataset)
  AND ($kpi IS NULL OR o.kpi = $kpi)
  AND ($period IS NULL OR o.period = $period)
  AND ($age IS NULL OR o.age_group = $age)
  AND ($status IS NULL OR o.status = $status)
  AND ($method IS NULL OR o.method = $method)
  AND ($division IS NULL OR (o.dataset, o.neighbourhood) IN (
      SELECT (p.dataset, p.code) FROM places p WHERE p.division = $division AND p.key = $key))
