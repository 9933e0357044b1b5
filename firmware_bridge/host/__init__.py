"""nftables, dnsmasq, hostapd and power on the hub."""
