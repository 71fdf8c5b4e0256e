"""Probe files: what kind they are, and in which stretches they show a picture or hold a sound that can be decoded.

`python -m storage.probe` probes objects of the store for the worker (serving.py), `serving.probe_file` a file here.
Each file is opened in a child process with limited memory and time, and decoded in a child of that one.
"""

VERSION = 1  # of what is found: a film sealed under a lower one is probed anew (backend/evidence/probing_anew.py)
