"""The provisioning door, spoken to in the dialects of real directories."""
