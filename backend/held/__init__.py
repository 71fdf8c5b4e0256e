"""Entries that wait or are in quarantine; contests between facts; findings from the numbers and clocks of devices."""
