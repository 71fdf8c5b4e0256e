"""A check-in in the usual frameworks: FastAPI, Pydantic and SQLAlchemy 2 (async, over asyncpg).

It makes the same checks and writes the same rows as the product: token, proof and its replay, session, person, device
and roles, the entry's id, the officer in service, the shift before it and its finding, refreshed findings, entry,
journal line and device number, in one transaction under the same locks. The code follows the frameworks'
documentation: models, dependencies, a session for each request, a response model. It calls the same SQL functions.

Run as `python tests/bench/conventional.py` with the environment of `fujing api`.
"""

import hashlib
import hmac
import json
import os
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from granian.server import Server
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import ARRAY, BigInteger, DateTime, LargeBinary, Text, Uuid, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY as PgArray
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backend.core import settings
from backend.core.database import SESSION
from backend.core.findings import tolerances
from backend.core.keys import ALGORITHM, KeyRing
from backend.law.catalogue import law
from backend.people.proofs import Nonces
from backend.people.sessions import ISSUER
from mobile_api.cli import serving

Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
PLANNED = """
SELECT 1 FROM planned_shift WHERE person = :who AND withdrawn_at IS NULL AND during && tstzrange(:at, NULL)
"""
REFRESH = "SELECT kind, subject FROM refresh_findings(:who, tstzrange(:since, NULL, '[]'), :at, :a, :b, :c)"
HANDING_OVER = law().span("handing_over")


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "person"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    badge: Mapped[str]
    kind: Mapped[str]
    organ: Mapped[str]
    serves_from: Mapped[Any] = mapped_column(DateTime)
    serves_until: Mapped[Any | None] = mapped_column(DateTime)


class SessionRow(Base):
    __tablename__ = "session"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person: Mapped[UUID]
    device: Mapped[UUID | None]
    device_key: Mapped[UUID | None]
    ended_at: Mapped[Moment | None]
    ends_at: Mapped[Moment]


class Device(Base):
    __tablename__ = "device"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    revoked_at: Mapped[Moment | None]


class DeviceKey(Base):
    __tablename__ = "device_key"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    jkt: Mapped[str]
    ended_at: Mapped[Moment | None]


class RoleGrant(Base):
    __tablename__ = "role_grant"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person: Mapped[UUID]
    role: Mapped[str]
    organ: Mapped[str]


class ProofSeen(Base):
    __tablename__ = "proof_seen"
    id: Mapped[UUID] = mapped_column(primary_key=True)


class Shift(Base):
    __tablename__ = "shift"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person: Mapped[UUID]
    organ: Mapped[str]
    duty_type: Mapped[str]
    started_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    ended_by: Mapped[str | None]
    in_force: Mapped[bool]
    dress: Mapped[str]
    dress_reason: Mapped[str | None]
    id_card_carried: Mapped[bool]
    equipment: Mapped[list[str]] = mapped_column(ARRAY(Text))
    vehicle: Mapped[str | None]
    ordered_by: Mapped[UUID | None]
    roster_post: Mapped[str | None]
    place: Mapped[Any | None] = mapped_column(JSONB)


class FindingRow(Base):
    __tablename__ = "finding"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subject: Mapped[UUID]
    organ: Mapped[str]
    person: Mapped[UUID | None]
    against_organ: Mapped[bool]
    started_at: Mapped[Moment | None]
    ended_at: Mapped[Moment | None]
    withdrawn_at: Mapped[Moment | None]


class EntryRow(Base):
    __tablename__ = "entry"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    actor: Mapped[UUID]
    verb: Mapped[str]
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    content: Mapped[bytes | None] = mapped_column(LargeBinary)


class HeldEntry(Base):
    __tablename__ = "held_entry"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]
    wakes: Mapped[list[UUID]] = mapped_column(PgArray(Uuid))


class DeviceEntry(Base):
    __tablename__ = "device_entry"
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    device: Mapped[UUID]
    seq: Mapped[int] = mapped_column(BigInteger)
    entry: Mapped[UUID]
    person: Mapped[UUID]
    organ: Mapped[str]
    seen_at: Mapped[Moment]


class JournalRow(Base):
    __tablename__ = "journal"
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[Moment]
    actor: Mapped[UUID | None]
    device: Mapped[UUID | None]
    verb: Mapped[str]
    outcome: Mapped[str]
    entry_id: Mapped[UUID | None]
    subjects: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    organ: Mapped[str | None]
    entry: Mapped[bytes] = mapped_column(LargeBinary)


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    accuracy_m: float = Field(ge=0, le=100_000)
    datum: Literal["WGS84", "GCJ02"]


class CheckIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sent_at: AwareDatetime
    occurred_at: AwareDatetime
    id: UUID
    device_seq: int = Field(ge=0)
    duty_type: Literal["patrol", "post", "window", "watch", "standby", "event"]
    dress: Literal["uniform", "plain"]
    dress_reason: str | None = Field(None, max_length=2000)
    id_card_carried: bool
    equipment: list[Annotated[str, Field(max_length=120)]] = []
    vehicle: str | None = Field(None, max_length=120)
    ordered_by: UUID | None = None
    roster_post: str | None = Field(None, max_length=120)
    place: Place | None = None


class ShiftState(BaseModel):
    id: UUID
    started_at: datetime
    ended_at: datetime | None
    in_force: bool


class Receipt(BaseModel):
    id: UUID
    status: Literal["recorded", "replayed"]
    received_at: datetime
    findings: list[str]
    shift: ShiftState


class Actor(BaseModel):
    person: UUID
    organ: str
    device: UUID | None
    roles: list[str]


CHOSEN = settings.load()
SESSION_KEYS, NONCES = KeyRing(CHOSEN.secrets_dir, "session"), Nonces(KeyRing(CHOSEN.secrets_dir, "nonce"))
ENGINE = create_async_engine(
    str(CHOSEN.database_url).replace("postgresql://", "postgresql+asyncpg://").replace("&port=5432", ""),
    pool_size=CHOSEN.pool_size, max_overflow=0, connect_args={"server_settings": SESSION},
)  # fmt: skip
SESSIONS = async_sessionmaker(ENGINE, expire_on_commit=False)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await ENGINE.dispose()


app = FastAPI(lifespan=lifespan)


async def a_session() -> AsyncIterator[AsyncSession]:
    async with SESSIONS() as session:
        yield session


async def an_actor(request: Request, session: Annotated[AsyncSession, Depends(a_session)]) -> Actor:
    """The person of the token. The device's key proves it, and each proof is used once."""
    token = request.headers.get("authorization", "").removeprefix("DPoP ")
    key = SESSION_KEYS.get(jwt.get_unverified_header(token)["kid"])
    token_claims = jwt.decode(token, key.public_key(), algorithms=[ALGORITHM], audience=ISSUER, issuer=ISSUER)
    proof = request.headers["dpop"]
    jwk = jwt.PyJWK.from_dict(jwt.get_unverified_header(proof)["jwk"], algorithm="ES256")
    proof_claims = jwt.decode(proof, jwk.key, algorithms=["ES256"], options={"verify_iat": False})
    digests = [_digest(token.encode()), _digest(await request.body())]
    if not (
        (proof_claims["htm"], urlsplit(proof_claims["htu"]).path) == (request.method, request.url.path)
        and NONCES.age(proof_claims["nonce"], datetime.now(UTC)) is not None
        and digests == [proof_claims["ath"], proof_claims["body_sha256"]]
    ):
        raise HTTPException(401)
    jkt, now = token_claims["cnf"]["jkt"], datetime.now(UTC)
    async with session.begin():
        row = (
            await session.execute(
                select(Person, SessionRow, Device, DeviceKey)
                .join(SessionRow, SessionRow.person == Person.id)
                .outerjoin(Device, Device.id == SessionRow.device)
                .outerjoin(DeviceKey, DeviceKey.id == SessionRow.device_key)
                .where(
                    SessionRow.id == UUID(token_claims["sid"]), SessionRow.ended_at.is_(None), SessionRow.ends_at > now
                )
            )
        ).one_or_none()
        if row is None or row.DeviceKey.jkt != jkt or row.DeviceKey.ended_at or row.Device.revoked_at:
            raise HTTPException(401)
        roles = (await session.scalars(select(RoleGrant).where(RoleGrant.person == row.Person.id))).all()
        spent = UUID(bytes=hashlib.sha256(f"{jkt} {proof_claims['jti']}".encode()).digest()[:16])
        inserted = await session.execute(
            upsert(ProofSeen).values(id=spent).on_conflict_do_nothing().returning(ProofSeen.id)
        )
        if inserted.scalar_one_or_none() is None:
            raise HTTPException(401)
    return Actor(
        person=row.Person.id, organ=row.Person.organ, device=row.SessionRow.device,
        roles=[f"{role.role} {role.organ}" for role in roles],
    )  # fmt: skip


def _digest(content: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


@app.post("/v1/shifts/check-in", status_code=201)
async def check_in(
    call: CheckIn, actor: Annotated[Actor, Depends(an_actor)], session: Annotated[AsyncSession, Depends(a_session)]
) -> Receipt:
    received = datetime.now(UTC)
    at = min(call.occurred_at.astimezone(UTC), received)
    async with session.begin():
        keys = sorted(int.from_bytes(each.bytes[:8], signed=True) for each in (call.id, actor.person))
        await session.execute(
            text("SELECT pg_advisory_xact_lock(key) FROM unnest(:keys ::bigint[]) AS key"), {"keys": keys}
        )
        if await session.get(EntryRow, call.id) or await session.get(HeldEntry, call.id):
            raise HTTPException(409)
        officer = await session.get(Person, call.ordered_by)
        if officer is None or officer.kind != "officer":
            raise HTTPException(422)
        before = (
            await session.scalars(
                select(Shift).where(Shift.person == actor.person, Shift.in_force, Shift.ended_at.is_(None))
            )
        ).all()
        for shift in before:
            await session.execute(update(Shift).where(Shift.id == shift.id).values(ended_at=at, ended_by="next"))
            await _put_finding("not_checked_out", shift, at, session)
        await session.execute(text(PLANNED), {"who": actor.person, "at": at})
        columns = call.model_dump(exclude={"sent_at", "occurred_at", "device_seq"})
        session.add(Shift(person=actor.person, organ=actor.organ, started_at=at, in_force=True, **columns))
        await session.flush()
        for shift in before:
            long, short = tolerances()
            since = {"who": [actor.person], "since": shift.started_at, "at": received}
            await session.execute(text(REFRESH), since | {"a": long, "b": short, "c": HANDING_OVER})
        shown = ShiftState(id=call.id, started_at=at, ended_at=None, in_force=True)
        await _append(call, actor, received, shown, session)
    return Receipt(id=call.id, status="recorded", received_at=received, findings=[], shift=shown)


async def _put_finding(kind: str, shift: Shift, at: datetime, session: AsyncSession) -> None:
    row = {
        "kind": kind,
        "subject": shift.id,
        "organ": shift.organ,
        "person": shift.person,
        "against_organ": False,
        "started_at": shift.started_at,
        "ended_at": at,
    }
    statement = upsert(FindingRow).values(**row)
    changed = {
        "started_at": statement.excluded.started_at,
        "ended_at": statement.excluded.ended_at,
        "withdrawn_at": None,
    }
    await session.execute(statement.on_conflict_do_update(index_elements=["kind", "subject"], set_=changed))


async def _append(call: CheckIn, actor: Actor, received: datetime, shift: ShiftState, session: AsyncSession) -> None:
    """Store the entry, its journal line and its device number; look for entries that wait for it."""
    content, salt = call.model_dump_json().encode(), os.urandom(16)
    facts = {
        "content": hmac.digest(salt, content, hashlib.sha256).hex(), "device_seq": call.device_seq,
        "device_time": call.occurred_at.isoformat(), "findings": [], "late": False,
        "occurred_at": shift.started_at.isoformat(), "skew_ms": 0, "subject": {"shift": shift.model_dump(mode="json")},
    }  # fmt: skip
    line = {
        "actor": str(actor.person), "at": received.isoformat(), "facts": facts, "id": str(call.id),
        "organ": actor.organ, "outcome": "recorded", "subjects": [str(call.id), str(actor.person)],
        "v": 1, "verb": "shifts/check-in",
    }  # fmt: skip
    session.add(EntryRow(id=call.id, actor=actor.person, verb="shifts/check-in", salt=salt, content=content))
    await session.execute(
        insert(JournalRow).values(
            at=received, actor=actor.person, device=actor.device, verb="shifts/check-in", outcome="recorded",
            entry_id=call.id, subjects=[call.id, actor.person], organ=actor.organ, entry=json.dumps(line).encode(),
        ).inline()
    )  # fmt: skip
    if actor.device is not None:
        await session.execute(
            upsert(DeviceEntry).values(
                device=actor.device, seq=call.device_seq, entry=call.id, person=actor.person, organ=actor.organ,
                seen_at=received,
            ).on_conflict_do_nothing()
        )  # fmt: skip
        await session.scalars(
            select(DeviceEntry).where(
                DeviceEntry.device == actor.device, DeviceEntry.seq == call.device_seq, DeviceEntry.entry != call.id
            )
        )
    await session.scalars(
        select(HeldEntry.id).where(
            HeldEntry.wakes.overlap([call.id, actor.person]), HeldEntry.state.in_(["waiting", "admitted"])
        )
    )


def main() -> None:
    """Serve this application with serving.run_api, in place of the product's."""
    serving.Server = lambda _, **options: Server("conventional:app", **(options | {"factory": False}))
    serving.run_api(settings.load())


if __name__ == "__main__":
    main()
