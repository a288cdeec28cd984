"""Pages, asked for as a browser asks for them."""
