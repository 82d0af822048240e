"""Pages and their sections as tests read them, and strings that try to break out of a page."""
