"""The assets, one module a layer, and the command line."""
