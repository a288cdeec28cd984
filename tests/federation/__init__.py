"""Sign-on in both directions, with honest and hostile counterparts."""
