"""Organs, persons, roles, qualifications, devices, and the sessions in which they act."""
