"""Tables -> Release, an immutable folder with its records in a database and its files in a storage."""
