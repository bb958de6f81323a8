"""MQTT, Prometheus, notifications."""
