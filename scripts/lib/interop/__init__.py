"""The stories that scripts/interop tells: a file for each family of clients, and what all of them need."""
