"""The store's bucket: it keeps versions and locks, and no rule of its own lets evidence go or keeps refused bytes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element  # nosec B405

from backend.core.days import in_china
from backend.law.catalogue import law
from mobile_api.cli.doctor import database
from mobile_api.cli.doctor.place import Place
from mobile_api.cli.doctor.results import Line, unknown, warning, well, wrong
from mobile_api.cli.doctor.store_words import is_denied, meaning
from mobile_api.cli.doctor.thresholds import THRESHOLDS
from storage.s3_calls import NoAnswer, StoreAnswer, StoreCalls, named

PROBE = "probe/"
MADE_ANEW = ("view/", "probe/")  # view copies and probes may go at any time
NO_RULES = {"NoSuchLifecycleConfiguration", "NotImplemented", "MethodNotAllowed"}
NO_LOCK = {"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"}


def bucket(place: Place) -> Iterator[Line]:
    """The store answers, knows our keys and has the bucket; it keeps versions and locks."""
    store = place.inside()
    try:
        answer = store.call("GET", query={"list-type": "2", "max-keys": "1"})
        if not answer.is_well:
            zh, en = meaning(answer)
            yield wrong(f"存储不能使用：{zh}。", f"The store cannot be used: {en}.")
            return
        yield well(
            f"存储 {place.settings.s3_endpoint} 在服务，存储桶 {store.bucket} 存在。",
            f"The store {place.settings.s3_endpoint} answers and has the bucket {store.bucket}.",
        )
        yield _versions(store)
        yield from _lock(place, store)
    except NoAnswer as error:
        yield away(place, error)


def away(place: Place, error: NoAnswer) -> Line:
    """The store does not answer where we call it."""
    address = place.settings.s3_endpoint
    return wrong(
        f"存储 {address} 没有应答（{error}）。请启动存储，并检查 FUJING_S3_ENDPOINT 和 FUJING_S3_SECURE（是否 TLS）。",
        f"The store {address} does not answer ({error}). Start it, and look at FUJING_S3_ENDPOINT and FUJING_S3_SECURE "
        "(TLS or not).",
    )


def _versions(store: StoreCalls) -> Line:
    answer = store.call("GET", query={"versioning": ""})
    if not answer.is_well:
        zh, en = meaning(answer)
        return unknown(f"不知道存储桶是否保留版本：{zh}。", f"Whether the bucket keeps versions is not known: {en}.")
    if answer.text("Status") == "Enabled":
        return well("存储桶保留版本。", "The bucket keeps versions.")
    return wrong(
        "存储桶不保留版本，录像可被覆盖。请另建启用对象锁定的存储桶，并用 FUJING_S3_BUCKET 指定。",
        "The bucket keeps no versions, so footage can be written over. Make a bucket with object lock and name it by "
        "FUJING_S3_BUCKET.",
    )


def _lock(place: Place, store: StoreCalls) -> Iterator[Line]:
    """Object lock is on, and when it was last seen to hold; a default retention is named."""
    answer = store.call("GET", query={"object-lock": ""})
    if answer.code in NO_LOCK or (answer.is_well and answer.text("ObjectLockEnabled") != "Enabled"):
        yield wrong(
            "存储桶未启用对象锁定，录像可被删除。请另建启用对象锁定的存储桶，并用 FUJING_S3_BUCKET 指定。",
            "The bucket has no object lock, so footage can be deleted. Make a bucket with object lock and name it by "
            "FUJING_S3_BUCKET.",
        )
        return
    if not answer.is_well:
        zh, en = meaning(answer)
        yield unknown(f"不知道存储桶是否启用锁定：{zh}。", f"Whether the bucket locks is not known: {en}.")
    else:
        yield _proved(place, store)
        yield from _default_retention(answer)


def _proved(place: Place, store: StoreCalls) -> Line:
    """By the last proof that the database has recorded; else by the probe that a start locks and tries to delete."""
    told = database.lock_proof(place) if place.has_database else None
    if told is None:
        return _probe(store)
    if told.state != "kept":
        return wrong(
            told.facts.get("zh") or "存储没有守住锁定，请换用能守住锁定的存储。",
            told.facts.get("en") or "The store does not keep its locks: take one that does.",
        )
    hours = (datetime.now(UTC) - told.at) / timedelta(hours=1)
    mark = THRESHOLDS["lock_proof_hours"].judge(hours)
    return Line(
        mark=mark,
        zh=f"对象锁定已启用，{hours:.0f} 小时前证实有效"
        + ("。" if mark == "well" else "：此后没有再证实，任务进程在运行吗？"),
        en=f"Object lock is on, and was proved {hours:.0f} hours ago"
        + ("." if mark == "well" else ": not since then; does the worker run?"),
    )


def _probe(store: StoreCalls) -> Line:
    listed = store.call("GET", query={"versions": "", "prefix": PROBE, "max-keys": "1000"})
    times = [each.text or "" for each in listed.elements("LastModified")] if listed.is_well else []
    if not times:
        return unknown(
            "对象锁定已启用，但没有试探文件，不知道是否真正执行。启动一次系统即会证实。",
            "Object lock is on, but no probe is there, so whether it holds is not known. A start proves it.",
        )
    return well(
        f"对象锁定已启用，最近一次试探：{_at(max(times))}。",
        f"Object lock is on; it was last proved at {_at(max(times))}.",
    )


def _at(text: str) -> str:
    try:
        return in_china(datetime.fromisoformat(text)).isoformat(" ", "minutes")
    except ValueError:
        return text


def _default_retention(answer: StoreAnswer) -> Iterator[Line]:
    """What comes in is locked by itself, what is refused too."""
    for rule in answer.elements("DefaultRetention"):
        words = {each.tag.rpartition("}")[2]: (each.text or "").strip() for each in rule}
        mode, days, years = (words.get(name, "") for name in ("Mode", "Days", "Years"))
        if not mode:
            continue
        span = f"{days} 天" if days else f"{years} 年", f"{days} days" if days else f"{years} years"
        yield warning(
            f"存储桶有默认保留期（{mode}，{span[0]}）：每个文件一到就被锁定，内容不符而拒收的也在其内，到期之前占用空间，"
            "不能删除。请取消该默认值，由本系统逐个锁定。",
            f"The bucket has a default retention ({mode}, {span[1]}): every file is locked as it comes, refused bytes "
            "too, which take space and cannot be removed until it ends. Take it off: the house locks each file itself.",
        )


def lifecycle(place: Place) -> Iterator[Line]:
    """No rule of the bucket lets anything go, or aborts an upload, before our terms say so."""
    try:
        answer = place.inside().call("GET", query={"lifecycle": ""})
    except NoAnswer as error:
        yield unknown(f"不知道有无生命周期规则（{error}）。", f"Whether it has lifecycle rules is not known ({error}).")
        return
    rules = [rule for rule in answer.elements("Rule") if _text(rule, "Status") == "Enabled"]
    lines = [line for rule in rules for line in _judged(rule)]
    if not answer.is_well and answer.code not in NO_RULES:
        zh, en = meaning(answer)
        right = " s3:GetLifecycleConfiguration" if is_denied(answer) else ""
        yield unknown(
            f"不知道存储桶有无生命周期规则：{zh}{right}。",
            f"Whether the bucket has lifecycle rules is not known: {en}{right}.",
        )
        return
    yield from lines or [
        well("没有早于期限清除文件的生命周期规则。", "No lifecycle rule lets files go before their terms.")
    ]


def _text(rule: Element, name: str) -> str:
    return next(((each.text or "").strip() for each in named(rule, name)), "")


def _judged(rule: Element) -> Iterator[Line]:
    """One rule against our terms. A date, or a count of versions, is taken as at once."""
    name, prefix = _text(rule, "ID") or "—", _text(rule, "Prefix")
    for element in ("Expiration", "NoncurrentVersionExpiration") if not prefix.startswith(MADE_ANEW) else ():
        for found in named(rule, element):
            days = _text(found, "Days") or _text(found, "NoncurrentDays")
            if days or _text(found, "Date"):
                yield _expires(name, prefix, int(days or 0))
    for found in named(rule, "AbortIncompleteMultipartUpload"):
        after, term = int(_text(found, "DaysAfterInitiation") or 0), law().days("upload_abandoned_after").at_most
        if after <= term:
            yield wrong(
                f"生命周期规则“{name}”在 {after} 天后中止未完成的上传，期限 upload_abandoned_after 为 {term} 天："
                "离线的手机会丢失已发送的分片。请取消或改为更长。",
                f"Lifecycle rule “{name}” aborts unfinished uploads after {after} days; the term "
                f"upload_abandoned_after is {term} days: a phone that was offline loses parts that it sent. "
                "Take the rule off, or lengthen it.",
            )


def _expires(name: str, prefix: str, days: int) -> Line:
    term = law().days("footage_retention").at_most
    which = f"“{prefix}”" if prefix else "（全部）"
    marked = wrong if days <= term else warning
    return marked(
        f"生命周期规则“{name}”在 {days} 天后清除 {which} 的文件，期限 footage_retention 为 {term} 天，"
        "须永久保存的没有期限。请取消该规则：到期处置由本系统进行。",
        f"Lifecycle rule “{name}” expires files of {prefix or 'all keys'} after {days} days; the term "
        f"footage_retention is {term} days, and what is kept for ever has none. Take the rule off: the house "
        "disposes of what is due.",
    )
