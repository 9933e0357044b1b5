"""The agent, assembled: lanes, session, requests, lists and reports of one hub."""

from device_agent.daemon.agent import Agent, agent_version

__all__ = ["Agent", "agent_version"]
