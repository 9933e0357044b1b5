"""The hub's settings, and what enrolment gave it."""

from device_agent.config.certificate import Certificate, CertificateError, read_certificate
from device_agent.config.enrolled import Enrolled, IdentityError, doorbell_key, generations
from device_agent.config.settings import PREFIX, Broker, Config, ConfigError, Dns, Lan, Lists, Modem, load, state_folder

__all__ = [
    "PREFIX",
    "Broker",
    "Certificate",
    "CertificateError",
    "Config",
    "ConfigError",
    "Dns",
    "Enrolled",
    "IdentityError",
    "Lan",
    "Lists",
    "Modem",
    "doorbell_key",
    "generations",
    "load",
    "read_certificate",
    "state_folder",
]
