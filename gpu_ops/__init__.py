"""The maths: pure functions over frames and arrays; no Dagster, no files, no settings."""
