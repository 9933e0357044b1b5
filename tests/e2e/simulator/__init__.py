"""The simulator's programs and sockets, as others meet them."""
