"""Where data comes in and goes out: topics, transport, agents, publisher, command line."""
