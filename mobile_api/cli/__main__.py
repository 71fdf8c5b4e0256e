"""`python -m mobile_api.cli` is the command `fujing`."""

from mobile_api.cli.main import main

if __name__ == "__main__":
    main()
