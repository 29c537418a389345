# Placeholder replaced by the house checks: include arrows and headers that compile alone.
