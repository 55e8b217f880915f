-- The number of observations with certain properties.
-- In:  view observations; table areas; parameters dataset, kpi, area_vintage, key, period, age, status, method
--      (each may be NULL: no limit)
-- Out: one number
-- Cost: one scan of the columns in question; Parquet dictionaries exclude row groups first.
SELECT count(*) FROM observations o
WHERE ($dataset IS NULL OR o.dataset = $dataset)
  AND ($kpi IS NULL OR o.kpi = $kpi)
  AND ($period IS NULL OR o.period = $period)
  AND ($age IS NULL OR o.age_group = $age)
  AND ($status IS NULL OR o.status = $status)
  AND ($method IS NULL OR o.method = $method)
  AND ($area_vintage IS NULL OR (o.dataset, o.neighbourhood) IN (
      SELECT (p.dataset, p.code) FROM areas p WHERE p.area_vintage = $area_vintage AND p.key = $key))
