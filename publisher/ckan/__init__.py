"""Release -> dataset on a CKAN instance (DESIGN section 7): its fields, the push, and a check of what would be lost."""
