"""One step of a plan, and the facts it read back. Nothing here decides."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from device_agent.facts import GateFacts
from firmware_bridge.host import Host
from firmware_bridge.host.dnsmasq import DnsSettings
from firmware_bridge.host.nft import FirewallSettings
from firmware_bridge.host.state import FilterReadBack, FirewallState


class Gate:
    """Firewall and filter of one host. Every method returns the facts read back; HostToolError passes."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._changes_heard = 0
        self._changes_read = 0

    @property
    def has_unread_change(self) -> bool:
        """Whether the rule set changed after its last read-back began."""
        return self._changes_heard != self._changes_read

    async def observe(self, known: GateFacts, firewall: FirewallSettings, dns: DnsSettings) -> GateFacts:
        """Both read anew."""
        seen = await self._host.dnsmasq.read_back(dns)
        return replace(known, firewall=await self._read_firewall(firewall), filter=seen)

    async def observe_filter(self, known: GateFacts, dns: DnsSettings) -> GateFacts:
        """The filter alone, read anew: cheap enough for once a second."""
        return replace(known, filter=await self._host.dnsmasq.read_back(dns))

    async def filter_ended(self) -> None:
        """Return when the running filter has ended."""
        await self._host.dnsmasq.exited()

    async def rule_set_changed(self) -> None:
        """Return after somebody, ourselves included, changed the kernel's rule set; never where that is not told."""
        if self._host.watch is None:
            await asyncio.Event().wait()
        else:
            await self._host.watch.changed()
            self._changes_heard += 1

    async def install(self, known: GateFacts, firewall: FirewallSettings) -> GateFacts:
        """Replace the rule set; closed afterwards."""
        await self._host.nft.install(firewall)
        return replace(known, firewall=await self._read_firewall(firewall))

    async def close(self, known: GateFacts, firewall: FirewallSettings) -> GateFacts:
        """Stop forwarding."""
        await self._host.nft.close_forwarding()
        return replace(known, firewall=await self._read_firewall(firewall))

    async def close_unseen(self) -> None:
        """Stop forwarding when the rule set cannot be read."""
        await self._host.nft.close_forwarding()

    async def open(self, known: GateFacts, firewall: FirewallSettings, timeout_s: int) -> GateFacts:
        """Forward for so long, counted anew."""
        await self._host.nft.open_forwarding(firewall, timeout_s)
        return replace(known, firewall=await self._read_firewall(firewall))

    async def apply_filter(self, known: GateFacts, dns: DnsSettings) -> GateFacts:
        """Start the wanted filter and wait for its answer."""
        if known.wanted is None:
            return replace(known, filter=FilterReadBack(running=False))
        seen = await self._host.dnsmasq.start(dns, known.wanted)
        return replace(known, filter=seen, changing=False)

    async def count_names(self, categories: Sequence[str]) -> dict[str, int]:
        """Count the refused names of these categories from now on; returns the ports where they are to be asked."""
        return {} if self._host.names is None else await self._host.names.listen(categories)

    async def stop(self) -> None:
        """Close, then end the filter: the order of a clean end."""
        try:
            await self._host.nft.close_forwarding()
            await self._host.dnsmasq.stop()
        finally:
            if self._host.names is not None:
                self._host.names.close()
            if self._host.watch is not None:
                self._host.watch.close()

    async def _read_firewall(self, firewall: FirewallSettings) -> FirewallState:
        # The kernel tells of a change before the nft that made it ends: what was heard by now is in what is read next.
        heard = self._changes_heard
        seen = await self._host.nft.read_back(firewall)
        self._changes_read = heard
        return seen
