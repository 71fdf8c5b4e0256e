"""Storage: the object store for footage, and the servers that come in wheels.

Guarantees: nothing in here knows a feature. It moves bytes, locks them, and proves that the lock holds.
"""
