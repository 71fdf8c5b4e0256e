"""Papers and photos that an entry names: a certificate of an injury, a receipt, a letter of complaint, a proof."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core import jobs
from backend.core.database import fetch
from backend.core.described import Badge, PersonName
from backend.core.refusals import Unknown
from backend.core.verb import Actor
from backend.core.wire import Moment

OWN_PAPERS = """
SELECT u.id AS given, coalesce(u.same_as, u.id) AS id FROM upload u
WHERE u.id = ANY ($1) AND u.owner = $2 AND u.kind = 'document'
"""


class PaperLine(msgspec.Struct, frozen=True, kw_only=True):
    """A paper or photo in a list of a matter."""

    id: Annotated[UUID, msgspec.Meta(description="id of the document")]
    title: Annotated[str, msgspec.Meta(description="title of the document")]
    media_type: Annotated[str, msgspec.Meta(description="media type of the document, such as image/jpeg")]
    state: Annotated[str, msgspec.Meta(description="state of the document's upload")]


class MatterOfPaper(msgspec.Struct, frozen=True, kw_only=True):
    """A matter that a paper belongs to."""

    kind: Annotated[
        Literal["injury", "payment", "complaint", "matter", "recusal"],
        msgspec.Meta(
            description="injury 工伤材料, payment 垫付票据, complaint 投诉举报材料, matter 意见、申诉、侵扰材料, "
            "recusal 回避材料"
        ),
    ]
    id: Annotated[
        UUID,
        msgspec.Meta(description="id of the injury, also for a payment; of the complaint, the matter, the recusal"),
    ]


class DocumentRow(PaperLine, frozen=True, kw_only=True):
    """What is known of one paper or photo."""

    owner: Annotated[UUID, msgspec.Meta(description="id of the person who declared it")]
    badge: Badge
    name: PersonName
    file_name: Annotated[str, msgspec.Meta(description="name of the file, as declared")]
    bytes: Annotated[int | None, msgspec.Meta(description="size of the file in bytes; null: not declared yet")]
    sha256: Annotated[
        str | None, msgspec.Meta(description="SHA-256 of the file, lower-case hex; null: not declared yet")
    ]
    declared_at: Annotated[Moment, msgspec.Meta(description="when it was declared")]
    sealed_at: Annotated[
        Moment | None, msgspec.Meta(description="when the server locked it and signed its receipt; null: not sealed")
    ]
    locked_until: Annotated[
        Moment | None, msgspec.Meta(description="nobody can delete it before this time; null: not sealed")
    ]
    matters: Annotated[
        list[MatterOfPaper], msgspec.Meta(description="what it belongs to, as far as you may see it; often one matter")
    ]


async def own_papers(actor: Actor, papers: Sequence[UUID]) -> list[UUID]:
    """The ids of the actor's own documents; of bytes that were uploaded before, the first id.

    Raises Refusal `unknown_document`.
    """
    own = {row["given"]: row["id"] for row in await fetch(OWN_PAPERS, list(papers), actor.person)}
    for paper in papers:
        if paper not in own:
            raise Unknown("unknown_document", paper)
    return [own[paper] for paper in papers]


async def hold_in_store(papers: Iterable[UUID]) -> None:
    """Have the store hold papers that belong to a matter from now on, those that are sealed already too. Must be called
    inside `database.tx`."""
    for paper in dict.fromkeys(papers):
        await jobs.enqueue(jobs.HOLD, paper)
