"""Operation of all stores together: load, repair, backup, status."""
