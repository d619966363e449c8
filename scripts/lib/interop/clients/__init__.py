"""The clients, one file for each program. New files in this package are found automatically."""
