-- Summarise the columns of a release's observations: how many cells are filled, their range, and their codes.
-- In:  observations, a relation; macro plain(number)
-- Out: one row: rows; a struct filled, lowest, highest for each numeric column, the latter two as decimal texts;
--      rows_with_method; lists of the codes of neighbourhood, sex, status and method
-- Cost: one scan
SELECT
    count(*) AS rows,
    {'filled': count(value), 'lowest': plain(min(value)), 'highest': plain(max(value))} AS value,
    {'filled': count(numerator), 'lowest': plain(min(numerator)), 'highest': plain(max(numerator))} AS numerator,
    {'filled': count(denominator), 'lowest': plain(min(denominator)), 'highest': plain(max(denominator))} AS denominator,
    {'filled': count(sample_size), 'lowest': min(sample_size)::VARCHAR, 'highest': max(sample_size)::VARCHAR} AS sample_size,
    {'filled': count(ci_lower), 'lowest': plain(min(ci_lower)), 'highest': plain(max(ci_lower))} AS ci_lower,
    {'filled': count(ci_upper), 'lowest': plain(min(ci_upper)), 'highest': plain(max(ci_upper))} AS ci_upper,
    count(method) AS rows_with_method,
    list_sort(list(DISTINCT neighbourhood)) AS neighbourhoods,
    list_sort(list(DISTINCT sex)) AS sexes,
    list_sort(list(DISTINCT status)) AS statuses,
    coalesce(list_sort(list(DISTINCT method) FILTER (method IS NOT NULL)), []) AS method_codes
FROM observations
