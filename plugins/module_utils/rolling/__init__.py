"""Changing a cluster member by member: which is next, whether it may be, the lock, and what is told of it. Private to this collection."""
