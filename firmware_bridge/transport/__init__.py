"""Bytes to and from a modem: serial ports, sockets, traces, replays."""
