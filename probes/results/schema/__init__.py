"""Schema of a result: every table and claim that it may hold, declared by group, and checks against it."""
