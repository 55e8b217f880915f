"""HTTP and language, nothing domain-specific: negotiation, headers, caching, rate limit."""
