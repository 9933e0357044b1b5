"""hub-agent as a process, with a real broker and real or stand-in host tools."""
