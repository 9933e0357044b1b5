"""Pure parsers: the lines of one reply in, one typed value out; an unknown is None and never a number.

Each takes text lines without their line ends and raises only `firmware_bridge.errors.ReplyError`.
"""
