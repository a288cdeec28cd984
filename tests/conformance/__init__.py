"""The OpenID conformance suite's plans, module by module, as tests of our own."""
