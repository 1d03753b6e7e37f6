"""The nouns: frozen dataclasses that every floor above speaks in."""
