"""Compares our server with others in one run: the servers, the measurements, and the report."""
