-- Queries with the same result in PostgreSQL, one a line; {table} is a table of observations.
select * from {table} limit 3
select 7.0/2, 10/3.0, 1/3.0, 2/3.0, 100.0/7, 0.001/3, 123456.789/0.7, 1.5*1.25, 1e3/7
select value/3, value*value, value+1, value-0.1, numerator/denominator, numerator/denominator*100 from {table} where denominator is not null order by _id
select round(2.5), round(-2.5), round(2.675,2), round(0.125,2), round(1.005,2), round(2.5::float8), round(3.5::float8)
select 2.5::int, 3.5::int, -2.5::int, 2.5::float8::int, 3.5::float8::int, '12'::int, ' 12 '::int
select ceil(2.1), floor(-2.1), ceil(2), abs(-3), abs(-3.5), trunc(-2.7), ceil(2.5::float8)
select 2147483648 + 1, 5 * 2147483648
select -2147483648, 3000000000, 12345678901234567890
select 'a' || 'b', 'a' || 1, 1 || 'a', 'a' || null, 'a' || value from {table} where value is not null order by _id limit 5
select value::text, sample_size::text, _id::text from {table} order by _id
select kpi, count(*), avg(value), min(value), max(value), sum(value), sum(sample_size), avg(sample_size) from {table} group by kpi order by kpi
select period, avg(value) from {table} group by period order by avg(value) desc
select value from {table} order by value desc limit 5
select value from {table} order by value limit 5
select note from {table} order by note desc, _id limit 5
select numerator, value from {table} order by numerator desc, value, _id limit 20
select kpi as "KPI", Period from {table} order by _id limit 1
select KPI from {table} order by _id limit 2
select kpi from {table} where kpi ilike 'TRYGG%' order by _id
select kpi from {table} where kpi like 'TRYGG%' order by _id
select kpi from {table} where kpi like 'trygg-m_rker' order by _id
select 'a%b' like 'a\%b', 'axb' like 'a\%b', 'a_b' like 'a!_b' escape '!', 'a\b' like 'a\\b'
select distinct kpi from {table} where kpi ~ '^trygg' order by 1
select distinct kpi from {table} where kpi ~* 'TRYGG|TILL' order by 1
select distinct kpi from {table} where kpi !~ 'trygg' order by 1
select distinct kpi from {table} where kpi ~ 'r$' order by kpi
select substring('abcdef', 2, 3), substring('abcdef', 0, 2), substring('abcdef', -1, 3), substring('abcdef', 3), substring('abcdef', -3), substr('abcdef',2,100), substring('abcdef' from 2 for 2)
select left('abc', 2), left('abc', -1), right('abc', 2), right('abc', -1), left('abc', 0), left('abc', 10)
select position('c' in 'abc'), position('' in 'abc'), strpos('abc', 'z'), strpos('abcabc','c')
select trim('  a '), trim(both 'x' from 'xxaxx'), ltrim('  a '), rtrim(' a  '), btrim('xyaxy', 'xy'), trim(leading 'x' from 'xxa')
select lpad('a', 3), lpad('abc', 2), lpad('a', 5, 'xy'), rpad('a', 3, '-'), lpad('a', -1), rpad('abc', 2)
select replace('abcabc', 'b', 'xx'), replace('abc', '', 'x'), reverse('abc'), repeat('ab', 3), repeat('ab', -1), repeat('a', 0)
select split_part('a,b,c', ',', 2), split_part('a,b', ',', 5), split_part('abc', ',', 1)
select concat('a', null, 1, true, 'b'), concat_ws('-', 'a', null, 'b'), concat_ws('-', null, 'x')
select coalesce(null, 1, 2), coalesce(null, 'a'), nullif(1, 1), nullif(1, 2), nullif('a','b'), greatest(1, null, 3), least(2, 1.5), greatest('a', 'b')
select case when true then 1 else 2.5 end, case 1 when 1 then 'a' end, case when false then 1 end
select case when value > 50 then 'hög' when value is null then '-' else 'låg' end, count(*) from {table} group by 1 order by 1
select 1 = 1, 1 <> 2, 1 < 2.5, 'a' < 'b', null = null, null is null, 1 is not null, true is true, null is not true, (1=2) is false
select 1 is distinct from null, null is not distinct from null, 1 is distinct from 1
select 2 between 1 and 3, 2 not between 1 and 3, 1 in (1, 2), 3 not in (1, null), 1 in (1, null)
select not true, true and null, false and null, true or null
select true = false or true
select 1 + 2 * 3, (1 + 2) * 3, -2 ^ 2, 2 ^ 3, 2 ^ 3 ^ 2
select 2::float8 ^ 0.5, sqrt(2::float8), sqrt(4), power(2, 10), exp(1), ln(2), log(100), power(2::float8, 0.5), mod(7, 3), mod(7.5, 2)
select count(distinct kpi), count(value), count(*), count(distinct value) from {table}
select count(*) filter (where value > 50), avg(value) filter (where sex = 'T'), sum(value) filter (where false) from {table}
select string_agg(kpi, ', ' order by kpi desc) from (select distinct kpi from {table}) x
select string_agg(distinct kpi, ',') from {table}
select percentile_cont(0.5) within group (order by value), percentile_cont(0.25) within group (order by value) from {table}
select kpi, percentile_cont(0.5) within group (order by value) from {table} group by kpi order by kpi
select row_number() over (order by value desc, _id), value from {table} order by 1 limit 10
select kpi, period, value, value - lag(value) over (partition by neighbourhood, kpi, sex, age_group order by period) as diff from {table} order by _id
select rank() over (order by period), dense_rank() over (order by period), percent_rank() over (order by period), cume_dist() over (order by period), ntile(4) over (order by _id) from {table} order by _id
select sum(value) over (order by _id rows between 2 preceding and current row), avg(value) over (partition by kpi), count(*) over () from {table} order by _id
select first_value(value) over (partition by kpi order by period, _id), last_value(value) over (partition by kpi order by period, _id), nth_value(value, 2) over (partition by kpi order by period, _id) from {table} order by _id
select lag(value, 2, 0) over (order by _id), lead(kpi, 1, 'x') over (order by _id) from {table} order by _id
select sum(count(*)) over (order by period) from {table} group by period order by period
select a.kpi, a.period, a.value - b.value as d from {table} a join {table} b on a.kpi = b.kpi and a.neighbourhood = b.neighbourhood and a.sex = b.sex and a.age_group = b.age_group and a.period::int = b.period::int + 1 order by a._id
select count(*) from {table} a left join {table} b on a._id = b._id + 600
select count(*), count(a._id), count(b._id) from {table} a full join {table} b on a._id = b._id + 600
select count(*), count(a._id), count(b._id) from {table} a right join {table} b on a._id = b._id + 600
select count(*) from {table} a, {table} b where a._id = b._id
select count(*) from {table} a cross join (select 1 as x) b
select kpi, count(*) from {table} a join {table} b using (kpi) group by kpi order by kpi
select * from (select 1 as a, 2 as b) x join (select 1 as a, 3 as c) y using (a)
select * from (select 1 as a) x full join (select 2 as a) y using (a) order by 1
select kpi from {table} where _id in (select max(_id) from {table} group by kpi) order by kpi
select kpi, (select max(value) from {table} b where b.kpi = a.kpi) from {table} a order by _id limit 20
select count(*) from {table} a where exists (select 1 from {table} b where b.kpi = a.kpi and b.value > a.value)
select count(*) from {table} a where not exists (select 1 from {table} b where b.kpi = a.kpi and b.value > a.value)
select count(*) from {table} where value > (select avg(value) from {table})
select count(*) from {table} where value not in (select value from {table} where value is null)
select 1 union select 2 order by 1
select 1 union all select 1.5 union all select null order by 1 desc
select kpi from {table} intersect select 'tillit' order by 1
select kpi from {table} except select kpi from {table} where kpi like 't%' order by 1
(select kpi from {table} order by _id limit 1) union all (select period from {table} order by _id limit 1)
select 1 intersect select 2 union select 3
select 3 union select 1 intersect select 2
select kpi, count(*) n from {table} group by kpi having count(*) > 10 order by n desc, kpi limit 5 offset 1
select kpi k, count(*) from {table} group by k order by k
select upper(kpi) as kpi, count(*) from {table} group by kpi order by 1
select value from {table} where period = '2024' and value > '50' order by _id
select '1.5'::numeric + 1, '2'::float8 / 3, '2020-01-31'::date + 1, date '2020-03-01' - date '2020-02-01'
select extract(year from date '2020-05-17'), extract(dow from date '2020-05-17'), extract(week from date '2021-01-03'), extract(quarter from date '2020-05-17'), extract(doy from date '2020-05-17'), extract(isodow from date '2020-05-17'), extract(isoyear from date '2021-01-03')
select true::int, 1::bool, 0::bool, true::text, 'yes'::bool, 't'::bool
select 'abcdef'::varchar(3), 'abc'::varchar
select 0.1 + 0.2, 0.1::float8 + 0.2::float8, 1e-5, 1.0, 1.10
select 1 as a, 2 as a
select distinct kpi, period from {table} order by period, kpi limit 5
select kpi from {table} limit 0
select kpi from {table} order by kpi || 'x' desc, _id limit 3
select kpi from {table} order by value + 1 desc, _id limit 3
select with_x.k from (select kpi as k from {table} order by _id limit 1) with_x
select x.k, x.v from (select kpi, value from {table} order by _id limit 2) as x(k, v)
select * from (select kpi, value from {table} order by _id limit 2) as x
select T.kpi from {table} as T order by t._id limit 1
select 1 = 2 is null
select 'a' || 1 + 2
select 1 + 2 || 'x'
select not 1 = 2
select - - 1
select +1
select 1;
select 'it''s', "kpi" from {table} order by _id limit 1
select count(*) from {table} where kpi = any(array['tillit','ohalsotal'])
select count(*) from {table} where kpi in ('tillit','ohalsotal')
select current_date = current_date
select null, true, 'x'
select coalesce(value, 0) from {table} order by _id
select coalesce(value, '0') from {table} order by _id limit 5
select avg(x) from (select 1 as x union all select 2) t
select avg(x), sum(x) from (select 1.5::float8 as x union all select 2) t
select count(*) from {table} where not (value > 50)
select sum(numerator) / sum(denominator) from {table}
select 100.0 * sum(numerator) / nullif(sum(denominator), 0) as andel, kpi from {table} group by kpi order by kpi
select kpi, round(100.0 * count(*) / sum(count(*)) over (), 2) from {table} group by kpi order by kpi
select left(period, 4)::int as y, avg(value) from {table} group by left(period, 4) order by y
select left(period, 4)::int / 10 * 10 as decade, count(*) from {table} group by 1 order by 1
select max(value) - min(value) from {table}
select kpi from {table} group by kpi order by max(value) desc nulls last, kpi limit 3
select nullif(value, 9) from {table} order by _id limit 3
select nullif(1, 2.5), nullif(2.5, 1)
select greatest(value, 50) from {table} order by _id limit 10
select 10 - 2 - 3, 100 / 10 / 2, 2 * 3 % 4
select 1.5::float8 * 2, 1.5 * 2::float8, 3::float8 / 2
select sum(1) from {table}
select min(1.50), max('a')
select _id % 2 = 0, count(*) from {table} group by 1 order by 1
select kpi from {table} where kpi = 'tillit' and value between 10 and 60.5 order by _id limit 3
select stddev(value), variance(value), stddev_pop(value), var_pop(value), stddev_samp(sample_size), var_samp(sample_size), count(*) from {table}
select kpi, stddev(value), variance(value), var_pop(value) from {table} group by kpi order by kpi
select stddev(distinct period::int), variance(_id), stddev(_id), stddev(numerator) from {table}
select kpi::varchar, '1'::varchar from {table} order by _id limit 1
select coalesce(sample_size, '7'), greatest(value, '50.25'), coalesce(sample_size::numeric, '0.5'), value * '1.5', value / '3' from {table} order by _id limit 30
select null union all select 1 union all select 2.5 order by 1
select 'x' union select null order by 1
select (select 'x' where false), (select 1 where false)
select $$dollar$$, 'a\tb', 'a\\b', $x$a'b$x$
select case when value > 1 then value end::int from {table} order by _id limit 2
select (case when true then 1 end)::text, (case when true then 'a' else kpi end)::varchar from {table} limit 1
select value in (9, '66.7'), value = any(array[9, 66.7]) from {table} order by _id limit 5
select string_agg(distinct kpi, ',' order by kpi desc) from {table}
select avg(distinct value), sum(distinct value) from {table}
select value, sample_size from {table} where sample_size > 1.5 and value < 1e2 order by _id
select 0.5::float8 = 0.5, value = 66.7::float8 from {table} order by _id limit 4
select value::float8 / 3, value::float8 * 0.1, (value/3)::float8 from {table} order by _id
select value / value from {table} where value <> 0 order by _id limit 3
select 1.0 / 3 * 3, 2.0 / 3 + 1, (1.0/3) * (1.0/3), 1 / 3.0 - 0.3333
select max(value / 3) from {table}
select -value, - (value - 3) from {table} order by _id limit 4
select round(value / 3, 2), round(value), round(value * 1.005, 2), round(avg(value) over (), 3) from {table} order by _id
select kpi not like 't%', kpi not ilike 'T%', kpi !~ '^t', kpi not between 'a' and 'm', kpi not like 't!_%' escape '!' from {table} order by _id
select value::text::numeric from {table} order by _id limit 3
select upper('åäö'), lower('ÅÄÖÉ'), 'Ångström' ilike 'ÅNG%', 'ÅNG' ~* 'å', length('åäö'), left('åäö', 1), reverse('åäö')
select bool_and(value > 0), bool_or(value > 100) from {table}
select cast(1 as text), cast('5' as bigint), 5::numeric, 5::float8, 1.23456::numeric(10,2), 99::numeric(4,1)
select 7/2, -7/2, 7 / -2, 7 % 3, -7 % 3, 7 % -3
with a as (select kpi, max(value) as top from {table} group by kpi), b as (select * from a where top > 50) select * from b order by kpi
