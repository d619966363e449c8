"""The clients, one file for each program: a new one is found by its being here."""
