-- Test that the key ascends from row to row, which proves IC-12 without comparing any other pair of observations.
-- In:  {relation}, observations in the order of their key; {key}, the columns of all dimensions
-- Out: one BOOLEAN, also FALSE if the rows are in another order; the first row has no predecessor
-- Cost: one scan of the key's columns; the window function streams, so memory does not grow with the number of rows
SELECT count(*) FILTER (NOT coalesce(key_values > previous, FALSE)) <= 1
FROM (SELECT row({key}) AS key_values, lag(row({key})) OVER () AS previous FROM {relation})
