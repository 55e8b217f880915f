-- The cells of a table of KPI values beside what the register says of their KPI, with numbers as numbers.
-- In:  {view}, the view's name; {relation}, a table of text cells; {numbers}, a list of typed columns; {kpi}, the
--      column of KPIs or NULL; register_kpis
-- Out: every column of {relation}; value_n, numerator_n, … (DOUBLE); kpi_min, kpi_max, kpi_max_or_inf,
--      kpi_multiplier, kpi_percent (in per cent), kpi_share (a share of at most 100 %),
--      kpi_ratio (value is multiplier x numerator / denominator), kpi_mean (the whole lies between its parts),
--      kpi_sum (parts add up to the whole)
-- Cost: a view; each use is one scan and a hash join with 48 rows.
CREATE OR REPLACE VIEW {view} AS
SELECT t.*, {numbers},
    k.minimum AS kpi_min, k.maximum AS kpi_max, coalesce(k.maximum, 'Infinity'::DOUBLE) AS kpi_max_or_inf,
    k.multiplier AS kpi_multiplier, coalesce(k.is_percent, FALSE) AS kpi_percent,
    coalesce(k.is_percent AND k.maximum = 100, FALSE) AS kpi_share, coalesce(k.is_ratio, FALSE) AS kpi_ratio,
    coalesce(k.is_mean, FALSE) AS kpi_mean, coalesce(k.is_sum, FALSE) AS kpi_sum
FROM {relation} t
LEFT JOIN register_kpis k ON k.id = {kpi}
