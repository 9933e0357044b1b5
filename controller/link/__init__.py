"""The controller's side of MQTT, and the translation of business words to the wire."""
