"""Reading injuries and advances; and the undertaking to print for a hospital."""

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from litestar import MediaType, Request, Response, get
from litestar.params import QueryParameter

from backend.core.amounts import in_capitals
from backend.core.paging import Page, page_limit
from backend.injuries import reads as injury_reads
from backend.injuries.reads import Advance, InjuryDetail, InjuryRow, InjuryStatus, Item
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.printing import COSTS, HEADERS, clock, fact, missing, printed, yuan
from mobile_api.problems import language_of, refuses

TAGS = ["Injury · 工伤与垫付"]
TABLE = """<table class="sums">
<thead><tr><th>费用<small>Cost</small></th><th>批准金额（元）<small>Approved, yuan</small></th>
<th>已支付（元）<small>Paid, yuan</small></th></tr></thead>
<tbody>
{rows}
</tbody>
</table>"""
ROW = '<tr><td>{kind}</td><td class="sum">{approved}</td><td class="sum">{paid}</td></tr>'


@listing("/injuries", summary="Injuries · 工伤列表", tags=TAGS, operation_id="injuries")
async def listed(
    request: Request[Any, Any, Any],
    status: Annotated[
        InjuryStatus,
        QueryParameter(
            name="status",
            description="to_apply: recognition is not applied for yet; overdue: and its term is over",
        ),
    ] = "open",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[InjuryRow]:
    """Your own injuries, those you reported, and those for which you decide or pay, newest first."""
    return await injury_reads.injuries(request.user, status, cursor, page_limit(limit))


@get(
    "/injuries/{injury:uuid}", summary="One injury · 一项工伤", tags=TAGS, operation_id="injury",
    opt=refuses("unknown_injury"),
)  # fmt: skip
async def one(request: Request[Any, Any, Any], injury: UUID) -> InjuryDetail:
    """One injury: its reports, papers and recognition. Only those who handle it read medical details."""
    return await injury_reads.injury(request.user, injury, language_of(request))


@get(
    "/advances/{injury:uuid}", summary="The ledger · 垫付台账", tags=TAGS, operation_id="advance",
    opt=refuses("unknown_injury"),
)  # fmt: skip
async def ledger(request: Request[Any, Any, Any], injury: UUID) -> Advance:
    """The ledger of one injury: every cost with its bookings, and the sums."""
    return await injury_reads.advance(request.user, injury)


@get(
    "/advances/{injury:uuid}/undertaking", summary="For the hospital · 垫付承诺书", tags=TAGS,
    operation_id="advance_undertaking", media_type=MediaType.HTML, opt=refuses("unknown_injury"),
)  # fmt: skip
async def undertaking(request: Request[Any, Any, Any], injury: UUID) -> Response[str]:
    """What the organ advances, as a page to print, sign and hand to the hospital."""
    page = _page(*await injury_reads.undertaking(request.user, injury))
    return Response(page, media_type=MediaType.HTML, headers=HEADERS)


def _page(advance: Advance, organ: str, hospital: str | None, number: str) -> str:
    approved = [item for item in advance.items if item.approved_fen]
    rows = "\n".join(_row(item) for item in approved)
    content = TABLE.format(rows=rows) if approved else missing("nothing_approved")
    return printed(
        "undertaking", _facts(advance, organ, hospital, number), content, ("单位（盖章） Organ, seal", "日期 Date")
    )


def _facts(advance: Advance, organ: str, hospital: str | None, number: str) -> Iterable[str]:
    row = advance.injury
    yield fact("致", "To", hospital or "__________")
    yield fact("公安机关", "Organ", f"{organ} ({row.handled_in})")
    yield fact("伤者", "Injured", row.name)
    yield fact("辅警编号", "Badge number", row.badge)
    yield fact("负伤时间", "Injured at", clock(row.injured_at))
    yield fact("编号", "Number", number)
    if advance.sums.approved_fen:
        yield fact("批准合计", "Approved in all", f"￥{yuan(advance.sums.approved_fen)}")
        yield fact("人民币（大写）", "In capitals", in_capitals(advance.sums.approved_fen))


def _row(item: Item) -> str:
    return ROW.format(
        kind=f"{COSTS[item.kind]} {item.kind}", approved=yuan(item.approved_fen or 0), paid=yuan(item.paid_fen)
    )


ROUTES = [listed, one, ledger, undertaking]
