SELECT area, name FROM (SELECT DISTINCT neighbourhood AS code FROM observations) JOIN areas USING (code)
ORDER BY name, area
