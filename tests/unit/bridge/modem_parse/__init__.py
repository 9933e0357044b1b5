"""Pure parsers: real-shaped lines in, typed values out, as tables."""
