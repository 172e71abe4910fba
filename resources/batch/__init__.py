"""Steps on AWS Batch, or on processes of this machine that behave like it."""
