"""HTTP API for programs: validations as resources, publication status, and the JSON Schemas of both."""
