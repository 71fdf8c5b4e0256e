"""`fujing doctor`: tries a house from outside in, and says what to do for each thing that is wrong.

A check is a function of a Place that gives lines (results.py); checks.py lists all of them. Guarantees: nothing in the
house is changed but one part of an upload, under a key of its own (probe/doctor-…), which is aborted; each check
ends in seconds, and the others go on; what cannot be asked is told as not known, never as well.
"""
