"""The command line `fujing`: serving, reports, drawing, verification, the demonstration."""
