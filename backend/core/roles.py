"""The roles that a person may have on an organ, in the groups that rules name. Pure."""

OVERSEEING = frozenset({"commander", "inspector"})
COMMANDING = frozenset({"commander"})
INSPECTING = frozenset({"inspector"})
PAYING = frozenset({"treasurer"})
ADMINISTERING = frozenset({"administrator"})
HANDLING = COMMANDING | PAYING  # roles that handle injuries; nobody else sees medical details
NOBODY: frozenset[str] = frozenset()
