"""The HTTP edge: routing, auth, errors, wire format, paging, bodies, rate limits, aliases. Knows no feature."""
