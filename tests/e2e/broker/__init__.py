"""A real mosquitto under the configuration that hub-controller writes for it."""
