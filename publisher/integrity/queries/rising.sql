-- Whether the key rises from row to row, which shows IC-12 without comparing any other two observations.
-- In:  {relation}, observations in the order of their key; {key}, the columns of all dimensions
-- Out: one BOOLEAN, FALSE also where the rows are in another order; the first row rises above nothing
-- Cost: one scan of the key's columns; the window streams, so memory does not grow with the length
SELECT count(*) FILTER (NOT coalesce(own > before, FALSE)) <= 1
FROM (SELECT row({key}) AS own, lag(row({key})) OVER () AS before FROM {relation})
