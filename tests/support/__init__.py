"""Made-up results, models and strings that several test files share."""
