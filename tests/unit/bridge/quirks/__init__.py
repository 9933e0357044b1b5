"""One test for each field quirk, named after it: bytes in, a typed value out, and the next command still works."""
