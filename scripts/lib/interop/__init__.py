"""The stories and the clients of scripts/interop: a file for each family of clients, and code that they share."""
