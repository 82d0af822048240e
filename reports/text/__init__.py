"""Numbers, names and terms as the page writes them."""
