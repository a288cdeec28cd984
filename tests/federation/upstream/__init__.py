"""We as relying party, against a real provider on the loopback that misbehaves as a test asks for."""
