"""Stories for every client that has the verbs they need. A new story is a function in one of these files."""
