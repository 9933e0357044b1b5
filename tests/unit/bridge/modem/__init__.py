"""Drivers over a scripted port: bytes in, typed values out."""
