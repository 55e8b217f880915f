"""Disclosure control of counts: what the published counts of one KPI reveal about those that are not published."""
