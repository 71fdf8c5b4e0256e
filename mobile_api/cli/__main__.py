"""`python -m mobile_api.cli` is the command `fujing`."""

if __name__ == "__main__":  # the server's processes import this module again, and need no commands
    from mobile_api.cli.main import main

    main()
