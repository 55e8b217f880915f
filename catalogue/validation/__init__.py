"""Upload to /validate -> queued check -> report page."""
