"""The hub's settings, and what enrolment gave it."""

from device_agent.config.settings import PREFIX, Broker, Config, ConfigError, Lists, Modem, load

__all__ = ["PREFIX", "Broker", "Config", "ConfigError", "Lists", "Modem", "load"]
