"""Stories that are told to every client that has the verbs they need: a new one is a function in one of these files."""
