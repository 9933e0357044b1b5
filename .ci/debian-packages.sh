#!/usr/bin/env bash
# Install the real parts that tests drive, where that is allowed (root or passwordless sudo). Elsewhere the tests that need
# one skip and name the command.
set -euo pipefail
packages=(mosquitto dnsmasq-base nftables iproute2 iputils-ping hostapd dnsutils curl modemmanager dbus libglib2.0-bin gammu smstools ppp comgt osmo-hlr sqlite3 postgresql-15)
command -v apt-get >/dev/null || exit 0
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" = 0 ]; then as_root=()
elif sudo -n true 2>/dev/null; then as_root=(sudo -n)
else
  echo "These tests' real parts are missing and this user may not install them; the tests will skip. To install:"
  echo "  sudo apt-get install -y --no-install-recommends ${missing[*]}"
  exit 0
fi
echo "Installing ${missing[*]} ..."
# Nothing may start by being installed: the tests start what they need, on loopback or in namespaces.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
  "${as_root[@]}" chmod +x $policy
  made_policy=1
fi
trap '[ -z "$made_policy" ] || "${as_root[@]}" rm -f $policy' EXIT
install() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
install "${missing[@]}" 2>/dev/null && exit 0
"${as_root[@]}" apt-get update -qq
# A release may lack one of them (another PostgreSQL number, say): one by one, and say which.
for package in "${missing[@]}"; do
  install "$package" 2>/dev/null || echo "  not available here: $package (tests that need it will skip)"
done
