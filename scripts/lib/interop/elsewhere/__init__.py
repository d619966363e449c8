"""Our own client, used with servers of other projects: the servers, the base of the clients, and their stories."""
