"""The controller's edges: links, wire translation, lane, notices, command line."""
