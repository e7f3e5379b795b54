"""The probe that writes to an ensemble while it is changed: the program, its unit, what it tells. Private to this collection."""
