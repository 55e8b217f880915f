"""Operation of all stores together: load, rebuild, status of publications."""
