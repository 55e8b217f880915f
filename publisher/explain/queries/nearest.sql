-- The names most like one that is not among them, in the number of letters to change, insert, remove or swap.
-- In:  $names VARCHAR[]; $wanted VARCHAR; $most, the greatest number of changes; $count, how many at most
-- Out: name VARCHAR, the nearest first
-- Cost: one comparison a name, some milliseconds for ten thousand.
SELECT name
FROM (SELECT DISTINCT unnest($names) AS name)
WHERE abs(length(name) - length($wanted)) <= $most
  AND damerau_levenshtein(lower(name), lower($wanted)) <= $most
ORDER BY damerau_levenshtein(lower(name), lower($wanted)), name
LIMIT $count
