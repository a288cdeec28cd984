"""The app and the people of the provider's own tests."""

from tests.federation.downstream.conftest import ann, bob, ready_made_keys, register, shop

__all__ = ["ann", "bob", "ready_made_keys", "register", "shop"]
