-- The names nearest to a name that is not among them, by letters to change, insert, remove or swap.
-- In:  $names VARCHAR[]; $name VARCHAR; $max_changes; $count, the maximum number of rows
-- Out: name VARCHAR, the nearest first
-- Cost: one comparison per name, a few milliseconds for ten thousand.
SELECT name
FROM (SELECT DISTINCT unnest($names) AS name)
WHERE abs(length(name) - length($name)) <= $max_changes
  AND damerau_levenshtein(lower(name), lower($name)) <= $max_changes
ORDER BY damerau_levenshtein(lower(name), lower($name)), name
LIMIT $count
