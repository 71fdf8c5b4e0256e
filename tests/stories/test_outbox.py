"""The outbox of a handheld against a running server: what it keeps, what it deletes, and when."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from mobile_api.client import outbox as outboxes
from mobile_api.client.api import Client, Problem, digest_of
from mobile_api.client.device_key import DeviceKey
from mobile_api.client.outbox import Outbox, carry
from tests.houses import STATION, Serving

HE, LUO, OFFICER, SERIAL, OFFICERS = "FJ1911", "FJ1912", "P2911", "HH-1911", "HH-1912"
ROSTER = f"""record,code,name,kind,organ,from,until
person,{HE},何小舟,duty_auxiliary,{STATION},2024-03-01,
person,{LUO},罗一鸣,duty_auxiliary,{STATION},2024-03-01,
person,{OFFICER},贺明,officer,{STATION},2012-07-01,
device,{OFFICERS},手持终端,handheld,{STATION},,
device,{SERIAL},手持终端,handheld,{STATION},,
"""
CHECK_IN = {"duty_type": "post", "dress": "uniform", "id_card_carried": True, "roster_post": "东门岗"}
TOO_MUCH = "字" * (3 * 1024 * 1024)  # more than one call may hold, inflated


@pytest.fixture(scope="module")
def first_passwords(running: Serving, passwords: dict[str, str]) -> dict[str, str]:
    """Import the two people of this module, who share one handheld. Their first passwords."""
    return running.place.bring_in_people(ROSTER)


@pytest.fixture
def he(running: Serving, first_passwords: dict[str, str]) -> Client:
    """Her client, signed in."""
    client = running.handheld(SERIAL)
    client.sign_in(HE, first_passwords[HE])
    return client


@pytest.fixture
def person(he: Client) -> str:
    return str(he.get("/v1/me")["id"])


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    """A new outbox, as after the app was installed again."""
    with closing(Outbox(tmp_path / "outbox.db")) as made:
        yield made


def film(folder: Path, name: str = "a.mp4", content: bytes = b"film" * 5000) -> tuple[Path, dict[str, Any]]:
    """A finished file, and the fields of its declaration."""
    taken, now = folder / name, datetime.now(UTC)
    taken.write_bytes(uuid4().bytes + content)
    times = {"started_at": now - timedelta(minutes=2), "ended_at": now - timedelta(minutes=1)}
    return taken, {"camera_serial": "DSJ-1911", "media_type": "video/mp4"} | times


def carried(box: Outbox, client: Client, person: str, seconds: float = 20) -> None:
    """Send in the background until nothing is left that can be sent."""
    stop, ended = threading.Event(), threading.Event()
    worker = threading.Thread(target=lambda: (carry(box, client, person, stop), ended.set()), daemon=True)
    worker.start()
    for _ in range(int(seconds * 20)):
        if not box.left(person).files and not box.left(person).entries:
            break
        stop.wait(0.05)
    stop.set()
    worker.join(10)
    assert ended.is_set()


# -- entries


def test_what_was_added_is_on_the_disk_before_it_is_sent(box: Outbox, person: str, tmp_path: Path) -> None:
    """Another process reads the entries with their numbers."""
    first, second = (box.add(person, "shifts/check-in", **CHECK_IN) for _ in range(2))
    with closing(sqlite3.connect(f"file:{tmp_path / 'outbox.db'}?mode=ro", uri=True)) as reader:
        (one, a), (two, b) = reader.execute("SELECT id, seq FROM entry ORDER BY seq").fetchall()
    assert ([str(first), str(second)], 1) == ([one, two], b - a)
    assert 2 == box.left(person).entries
    assert 0o600 == (tmp_path / "outbox.db").stat().st_mode & 0o777


def test_a_number_is_never_used_twice(box: Outbox, he: Client, person: str, tmp_path: Path) -> None:
    """Numbers belong to the device, whoever uses it, before and after a restart."""
    shift = box.add(person, "shifts/check-in", **CHECK_IN)
    box.add(str(uuid4()), "shifts/check-in", **CHECK_IN)
    with closing(Outbox(tmp_path / "outbox.db")) as again:
        again.add(person, "shifts/check-out", shift=shift)
        again.sync(he, person)
        numbers = [row[0] for row in again._all("SELECT seq FROM entry ORDER BY seq")]
        assert 0 == again.left(person).entries
    assert numbers == list(range(numbers[0], numbers[0] + 3))


def test_one_persons_entries_go_under_that_persons_session_only(
    running: Serving, first_passwords: dict[str, str], box: Outbox, he: Client, person: str
) -> None:
    """Two people share one handheld."""
    luo = running.handheld(SERIAL)
    luo.sign_in(LUO, first_passwords[LUO])
    other = luo.get("/v1/me")["id"]
    mine, theirs = (box.add(who, "shifts/check-in", **CHECK_IN) for who in (person, other))
    box.sync(he, person)
    assert (0, 1) == (box.left(person).entries, box.left(other).entries)
    box.sync(luo, other)
    assert 0 == box.left(other).entries
    for client, who, shift in ((he, person, mine), (luo, other, theirs)):
        assert str(shift) in [row["id"] for row in client.get("/v1/shifts")["items"]], who


def test_a_refused_entry_stays_until_it_was_seen(box: Outbox, he: Client, person: str) -> None:
    """Later entries are sent all the same."""
    out = box.add(person, "shifts/check-out", shift=uuid4(), ended="bad")
    shift = box.add(person, "shifts/check-in", **CHECK_IN)
    box.sync(he, person)
    (refused,) = box.refused(person)
    assert (out, "shifts/check-out") == (refused.id, refused.verb)
    assert refused.problem["code"] == "invalid"
    assert he.get(f"/v1/shifts/{shift}")
    assert 1 == box.left(person).entries
    box.mark_seen(out)
    assert ([], 0) == (box.refused(person), box.left(person).entries)


def test_a_refused_entry_goes_all_the_same_with_its_reason(box: Outbox, he: Client, person: str) -> None:
    """It is sent again with the same id, and the reason against it is shown."""
    stop = box.add(person, "activities/start", work="10.3.question", officers_present=0)
    box.sync(he, person)
    assert [stop] == [refused.id for refused in box.refused(person)]
    box.despite(stop, "警情紧急，民警正在赶来")
    box.sync(he, person)
    assert ([], 0) == (box.refused(person), box.left(person).entries)
    assert he.get(f"/v1/activities/{stop}")
    with pytest.raises(KeyError):
        box.despite(stop, "它已经记录")


def test_an_entry_too_large_for_any_call_holds_up_no_other(box: Outbox, he: Client, person: str) -> None:
    """It is refused, and stays on the device for a person to see."""
    before = [box.add(person, "shifts/check-in", **CHECK_IN) for _ in range(3)]
    large = box.add(person, "activities/start", work="9.6", notes=TOO_MUCH)
    after = [box.add(person, "shifts/check-out", shift=before[-1])]
    box.sync(he, person)
    assert [(large, "body_too_large")] == [(no.id, no.problem["code"]) for no in box.refused(person)]
    assert 1 == box.left(person).entries
    states = dict(box._all("SELECT id, state FROM entry"))
    assert {"recorded"} == {states[str(entry)] for entry in before + after}
    assert box.bundle(person) is not None


def test_what_is_waited_for_is_recorded_when_it_comes(
    running: Serving, first_passwords: dict[str, str], box: Outbox, he: Client, person: str
) -> None:
    """The officer's confirmation arrives before the naming that it answers."""
    zhao = running.handheld(OFFICERS)
    zhao.sign_in(OFFICER, first_passwords[OFFICER])
    officer, naming = zhao.get("/v1/me")["id"], uuid4()
    box.add(officer, "supervisions/confirm", supervision=naming)
    box.sync(zhao, officer)
    assert 1 == box.left(officer).entries
    he.entry("shifts/check-in", **CHECK_IN)
    he.entry("supervisions/name", id=naming, officer=officer)
    box.sync(zhao, officer)
    assert 0 == box.left(officer).entries


def test_news_are_heard_once_and_from_where_one_was(box: Outbox, he: Client, person: str, tmp_path: Path) -> None:
    """The bundle comes with the first call; a restart goes on."""
    box.sync(he, person)
    assert box.bundle(person) is not None
    list(box.news(person))
    shift = str(he.entry("shifts/check-in", **CHECK_IN)["id"])
    with closing(Outbox(tmp_path / "outbox.db")) as again:
        again.sync(he, person)
        again.sync(he, person)
        assert [shift] == [item["id"] for item in again.news(person) if item["verb"] == "shifts/check-in"]
        assert [] == list(again.news(person))


# -- files


def test_a_file_is_deleted_only_after_its_receipt(box: Outbox, he: Client, person: str, tmp_path: Path) -> None:
    """Its receipt stays in the outbox."""
    taken, fields = film(tmp_path)
    upload = box.add_file(person, taken, **fields)
    box.carry_files(he, person)
    assert taken.exists()  # it was not declared yet
    carried(box, he, person)
    assert (False, not taken.exists()) == (bool(box.left(person)), True)
    (row,) = box._all("SELECT state, receipt FROM file WHERE id = ?", str(upload))
    assert ("gone", he.get(f"/v1/uploads/{upload}/receipt")["receipt"]) == tuple(row)


def test_killed_before_the_deletion_it_is_deleted_by_the_next_start(
    box: Outbox, he: Client, person: str, tmp_path: Path
) -> None:
    """The state on disk at that line: sealed, and the file not deleted yet."""
    taken, fields = film(tmp_path)
    content = taken.read_bytes()
    upload = box.add_file(person, taken, **fields)
    carried(box, he, person)
    taken.write_bytes(content)
    box._run("UPDATE file SET state = 'sealed' WHERE id = ?", str(upload))
    box.carry_files(he, person)
    assert (False, 0) == (taken.exists(), box.left(person).files)


def test_a_file_that_changed_is_kept_and_told_and_holds_up_no_other(
    box: Outbox, he: Client, person: str, tmp_path: Path
) -> None:
    """A changed file, longer or of the same length, does not match its declared digest. Restored, it is sent."""
    longer, other, good = (film(tmp_path, f"{name}.mp4") for name in ("longer", "other", "good"))
    content = longer[0].read_bytes()
    first, second, third = (box.add_file(person, taken, **fields) for taken, fields in (longer, other, good))
    longer[0].write_bytes(content + b"!")
    other[0].write_bytes(b"?" * len(other[0].read_bytes()))
    carried(box, he, person)
    assert {first, second} == {upload for upload, _, why in box.stuck(person) if why == outboxes.CHANGED}
    assert (True, True, False) == (longer[0].exists(), other[0].exists(), good[0].exists())
    assert 2 == box.left(person).stuck
    longer[0].write_bytes(content)
    box.try_again(first)
    carried(box, he, person)
    assert (False, [second]) == (longer[0].exists(), [upload for upload, _, _ in box.stuck(person)])
    assert third


def test_a_receipt_that_proves_nothing_deletes_nothing(
    running: Serving, box: Outbox, he: Client, person: str, tmp_path: Path
) -> None:
    """The receipt's key is not among those that the server publishes."""

    class Misled(Client):
        def published_keys(self) -> list[dict[str, str]]:
            return [key | {"kid": str(uuid4())} for key in super().published_keys()]

    taken, fields = film(tmp_path)
    box.add_file(person, taken, **fields)
    misled = Misled(running.url, key=he.key)
    misled._access, misled._refresh = he._access, he._refresh
    carried(box, misled, person)
    assert (True, 1) == (taken.exists(), box.left(person).stuck)


def test_one_file_is_finished_before_the_next(box: Outbox, he: Client, person: str, tmp_path: Path) -> None:
    """Files are sent in the order in which they were recorded."""
    order: list[str] = []

    class Watched(Client):
        def upload(self, upload: UUID, file: Path, **more: Any) -> int:
            order.append(f"send {file.name}")
            return super().upload(upload, file, **more)

        def complete(self, upload: UUID, **fields: Any) -> str:
            order.append("done")
            return super().complete(upload, **fields)

    watched = Watched(he.url, key=he.key)
    watched._access, watched._refresh = he._access, he._refresh
    for name in ("1.mp4", "2.mp4", "3.mp4"):
        taken, fields = film(tmp_path, name)
        box.add_file(person, taken, **fields)
    carried(box, watched, person)
    assert ["send 1.mp4", "done", "send 2.mp4", "done", "send 3.mp4", "done"] == order


def test_a_film_whose_size_nobody_declared_goes_up(he: Client, tmp_path: Path) -> None:
    """The client tells its size with its question, so that the last part has a URL that takes exactly its bytes."""
    taken, fields = film(tmp_path, content=b"half a part and a bit" * 500_000)
    upload = UUID(he.entry("recordings/declare", file_name=taken.name, **fields)["id"])
    size, sha256 = digest_of(taken)
    assert "received" == he.bring(upload, taken, bytes=size, sha256=sha256)
    assert size == he.receipt(upload, bytes=size, sha256=sha256)["bytes"]


def test_a_part_that_the_store_answered_for_and_has_not_is_looked_for_again(he: Client, tmp_path: Path) -> None:
    """The tag of a PUT was not that of what lies there: the server says so, and the client does not insist."""
    taken, fields = film(tmp_path)
    told_tags: list[Any] = []

    class Misled(Client):
        def upload(self, upload: UUID, file: Path, **more: Any) -> int:
            there = super().upload(upload, file, **more)
            if not told_tags:
                self._etags[upload] = {1: "f" * 32}
            return there

        def complete(self, upload: UUID, **fields: Any) -> str:
            told_tags.append(dict(self._etags.get(upload, {})))
            return super().complete(upload, **fields)

    misled = Misled(he.url, key=he.key)
    misled._access, misled._refresh = he._access, he._refresh
    assert misled.send(taken, **fields)["bytes"] == taken.stat().st_size
    assert [{1: "f" * 32}, {}] == told_tags


# -- the session


def test_a_session_outlives_the_process(running: Serving, first_passwords: dict[str, str], tmp_path: Path) -> None:
    """The session file also gets renewed tokens; only its owner can read it, and signing out deletes it."""
    running.handheld(SERIAL)
    session_file, key = tmp_path / "phone" / "session", running.place.keys[SERIAL]
    first = Client(running.url, key=key, session=session_file)
    assert not first.signed_in
    first.sign_in(HE, first_passwords[HE])
    first._renew(first._access)
    assert 0o600 == session_file.stat().st_mode & 0o777
    second = Client(running.url, key=key, session=session_file)
    assert (True, HE) == (second.signed_in, second.get("/v1/me")["badge"])
    second._renew(second._access)
    third = Client(running.url, key=key, session=session_file)
    third.sign_out()
    assert (False, False) == (third.signed_in, session_file.exists())
    with pytest.raises(Problem, match="session_ended"):
        second.get("/v1/me")
    assert not Client(running.url, key=DeviceKey(), session=session_file).signed_in


def test_a_call_for_help_goes_first(running: Serving, box: Outbox, he: Client, person: str) -> None:
    """A call for help is sent in its own request, before entries of hours ago."""
    sent: list[list[str]] = []

    class Watched(Client):
        def sync(self, entries: list[Any], *fields: Any) -> Any:
            sent.append([entry["verb"] for entry in entries])
            return super().sync(entries, *fields)

    watched = Watched(running.url, key=he.key)
    watched._access, watched._refresh = he._access, he._refresh
    box.add(person, "shifts/check-in", **CHECK_IN)
    call = box.add(person, "assistance/call", kind="violence")
    box.sync(watched, person)
    assert [["assistance/call"], ["shifts/check-in"]] == [verbs for verbs in sent if verbs][:2]
    assert str(call) in [row["id"] for row in he.get("/v1/assistance")["items"]]


def test_a_file_of_no_bytes_is_stuck_and_costs_no_calls(
    running: Serving, box: Outbox, he: Client, person: str, tmp_path: Path
) -> None:
    """Its declaration is refused for good: its person sees it and signs out, and nothing is asked again and again."""
    empty, fields = tmp_path / "empty.mp4", film(tmp_path, "other.mp4")[1]
    empty.write_bytes(b"")
    upload = box.add_file(person, empty, **fields)
    calls: list[str] = []

    class Counted(Client):
        def _attempt(self, method: str, path: str, *rest: Any) -> Any:
            calls.append(path)
            return super()._attempt(method, path, *rest)

    counted = Counted(running.url, key=he.key)
    counted._access, counted._refresh = he._access, he._refresh
    stop = threading.Event()
    worker = threading.Thread(target=carry, args=(box, counted, person, stop), daemon=True)
    worker.start()
    time.sleep(3)
    stop.set()
    worker.join()
    assert len(calls) <= 6
    ((stuck, path, why),) = box.stuck(person)
    assert (upload, empty, True) == (stuck, path, why.startswith("invalid"))
    assert (1, 0, 1) == (box.left(person).entries, box.left(person).files, box.left(person).stuck)
    (refusal,) = box.refused(person)
    box.mark_seen(refusal.id)
    assert not box.left(person)
    assert empty.exists()


def test_what_was_refused_for_a_clock_or_a_place_is_queued_again_once(person: str, tmp_path: Path) -> None:
    """An outbox of a version before: its refusals by an old server are no longer the answer."""
    problems = {
        "time_ahead": {"code": "time_ahead"}, "a place": {"code": "invalid", "errors": [{"pointer": "/place/lat"}]},
        "a verb": {"code": "invalid", "errors": [{"pointer": "/verb"}]}, "a rule": {"code": "not_ordered"},
    }  # fmt: skip
    with closing(Outbox(tmp_path / "old.db")) as old:
        ids = {name: old.add(person, "assistance/call", kind="other") for name in problems}
        for name, id in ids.items():
            old._run(
                "UPDATE entry SET state = 'refused', answer = ? WHERE id = ?",
                msgspec.json.encode(problems[name]), str(id),
            )  # fmt: skip
        old._run("PRAGMA user_version = 0")
    for _ in range(2):
        with closing(Outbox(tmp_path / "old.db")) as new:
            assert {ids["a verb"], ids["a rule"]} == {refusal.id for refusal in new.refused(person)}
            for name in ("time_ahead", "a place"):
                new._run("UPDATE entry SET state = 'refused' WHERE id = ?", str(ids[name]))
        with closing(Outbox(tmp_path / "old.db")) as new:
            assert 4 == len(new.refused(person))
            new.send_again(ids["time_ahead"])
            new.send_again(ids["a place"])
