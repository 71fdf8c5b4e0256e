"""`python -m storage.probe`: see serving.py."""

from storage.probe.serving import serve

if __name__ == "__main__":
    serve()
