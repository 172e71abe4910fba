"""Stands for the packages that host and image must have alike."""
