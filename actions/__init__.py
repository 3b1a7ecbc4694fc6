"""Rasa SDK actions: thin adapters between the dialogue and the protocol, the rules and the texts. No clinical logic."""
