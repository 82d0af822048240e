"""Subjects of a result, one file each with its tables and its claims, in folders by what is measured."""
