"""The hallway: tenants by host and path, cookies, limits."""
