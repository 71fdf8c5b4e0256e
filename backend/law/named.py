"""What has a code in the files of the law: its names in both languages, and where it comes from."""

from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1)]
Code = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that has a code, in both languages, with its source."""

    zh: Text
    en: Text
    source: Text
