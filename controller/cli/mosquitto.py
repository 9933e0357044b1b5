"""A hardened configuration for mosquitto 2.0, as text: two listeners, one access list, and the broker's upkeep.

Why it is as it is:
- Hubs get the client id of their certificate (`use_username_as_clientid`): none can take another's session. Controllers
  have a listener and an authority of their own, so that several can run, each with the client ids it likes.
- One access list for both, by name: a hub's certificate on the wrong listener would still be a hub. `topic` lines stand
  below `user`, since above the first one they are for anonymous clients alone.
- `per_listener_settings` stays off: mosquitto forgets the listener, and with it the list, of a client that is away.
- Saved every few seconds, not on every change: that costs nine tenths of the throughput and nothing depends on what a
  broker remembers (state is sent again, history is spooled until the controller itself acknowledges it).
- Reloading is restarting. SIGHUP corrupts the memory of 2.0.11 when a session is away, and leaves revoked hubs
  connected; a restart takes half a second, keeps the sessions, and refuses them.
"""

from dataclasses import dataclass
from typing import Final

from device_agent.protocol.codec import LIMITS
from device_agent.protocol.topics import PREFIX, Channel

FROM_CONTROLLER: Final = (Channel.DESIRED, Channel.ACK)
FROM_HUB: Final = (Channel.REPORTED, Channel.TELEMETRY, Channel.EVENT, Channel.PRESENCE)
# Topic, properties and headers around the largest document.
_AROUND: Final = 1024
# What a controller holds unsettled at most (controller.link.gmqtt); the rest waits in the broker.
_INFLIGHT: Final = 10_000
# So much may wait for a controller that is away; hubs keep their history themselves.
_QUEUED: Final = 1_000_000
_QUEUED_BYTES: Final = 256 * 1024 * 1024
_RESTART: Final = "minihub-broker-restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where things are on the broker's machine.

    Attributes:
        directory: holds the configuration, `hubs-ca.pem`, `hubs.crl`, `services-ca.pem`, `broker.pem`, `broker.key`.
        controllers: the certificate names of the controllers.
        crl_url: where the revocation list is fetched, `https://CONTROLLER/v1/enrolments/crl`.
        user: whom mosquitto becomes when it is started by root.
    """

    directory: str = "/etc/mosquitto/minihub"
    controllers: tuple[str, ...]
    crl_url: str
    hubs_address: str = "0.0.0.0"  # noqa: S104  # hubs come from everywhere; their certificate is what lets them in
    hubs_port: int = 8883
    controllers_address: str = "0.0.0.0"  # noqa: S104  # as above
    controllers_port: int = 8884
    store: str = "/var/lib/mosquitto/"
    user: str = "mosquitto"


def files(settings: BrokerSettings) -> dict[str, str]:
    """Return the files of a broker, by name."""
    return {
        "mosquitto.conf": configuration(settings),
        "minihub.acl": access_list(settings.controllers),
        "mosquitto.service.d/minihub.conf": _service_drop_in(settings),
        "minihub-crl.service": _crl_service(settings),
        "minihub-crl.timer": _CRL_TIMER,
        f"{_RESTART}.path": _restart_path(settings),
        f"{_RESTART}.service": _RESTART_SERVICE,
    }


def configuration(settings: BrokerSettings) -> str:
    """Return mosquitto.conf."""
    largest = max(LIMITS.values())
    return f"""\
# Written by `hub-controller broker-config mosquitto`. Reload by restart, never by SIGHUP.
per_listener_settings false
allow_anonymous false
allow_zero_length_clientid false
acl_file {settings.directory}/minihub.acl
user {settings.user}

persistence true
persistence_location {settings.store}
autosave_interval 5
autosave_on_changes false
set_tcp_nodelay true

# The largest document of the wire contract is {largest} bytes.
message_size_limit {largest}
max_packet_size {largest + _AROUND}
max_inflight_messages {_INFLIGHT}
# 0 would be no limit, and 2.0.11 would then end a connection at every publish it denies.
max_queued_messages {_QUEUED}
max_queued_bytes {_QUEUED_BYTES}
queue_qos0_messages false
max_keepalive 600
sys_interval 60

log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages true

# Hubs: who they are, their client id and their topics are the certificate's.
listener {settings.hubs_port} {settings.hubs_address}
cafile {settings.directory}/hubs-ca.pem
crlfile {settings.directory}/hubs.crl
certfile {settings.directory}/broker.pem
keyfile {settings.directory}/broker.key
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
use_username_as_clientid true

# Controllers: another authority, client ids of their own.
listener {settings.controllers_port} {settings.controllers_address}
max_connections 64
cafile {settings.directory}/services-ca.pem
certfile {settings.directory}/broker.pem
keyfile {settings.directory}/broker.key
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
"""


def access_list(controllers: tuple[str, ...]) -> str:
    """Return the access list: controllers by name, hubs by the name in their certificate."""
    lines = ["# Controllers, by the name in their certificate."]
    for name in controllers:
        lines += [f"user {name}"]
        lines += [f"topic write {PREFIX}/+/{channel.value}" for channel in FROM_CONTROLLER]
        lines += [f"topic read {PREFIX}/+/{channel.value}" for channel in FROM_HUB]
    lines += ["", "# Hubs: %u is the name in the certificate, which is the hub's id."]
    lines += [f"pattern read {PREFIX}/%u/{channel.value}" for channel in FROM_CONTROLLER]
    lines += [f"pattern write {PREFIX}/%u/{channel.value}" for channel in FROM_HUB]
    return "\n".join(lines) + "\n"


def _service_drop_in(settings: BrokerSettings) -> str:
    return f"""\
[Service]
ExecStart=
ExecStart=/usr/sbin/mosquitto -c {settings.directory}/mosquitto.conf
# Nothing may send it SIGHUP: logrotate's reload fails instead, and the log is the journal.
ExecReload=
Restart=always
RestartSec=1
LimitNOFILE=65536
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
ReadWritePaths={settings.store}
"""


def _crl_service(settings: BrokerSettings) -> str:
    return f"""\
[Unit]
Description=Fetch the revocation list of Mini Hubs
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart=/opt/minihub/bin/hub-controller crl --url {settings.crl_url} \\
    --authority {settings.directory}/hubs-ca.pem --out {settings.directory}/hubs.crl
TimeoutStartSec=60
"""


_CRL_TIMER: Final = """\
[Unit]
Description=Fetch the revocation list of Mini Hubs every minute

[Timer]
OnBootSec=15s
OnUnitInactiveSec=1min

[Install]
WantedBy=timers.target
"""


def _restart_path(settings: BrokerSettings) -> str:
    return f"""\
[Unit]
Description=Watch the revocation list of Mini Hubs

[Path]
PathChanged={settings.directory}/hubs.crl
Unit={_RESTART}.service

[Install]
WantedBy=paths.target
"""


_RESTART_SERVICE: Final = """\
[Unit]
Description=Restart the broker on a new revocation list, which ends the connections of revoked hubs

[Service]
Type=oneshot
ExecStart=/bin/systemctl try-restart mosquitto.service
"""
