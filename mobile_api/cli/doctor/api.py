"""The API at its public address: it answers, it can serve, and its stream of news is held back by nobody."""

import json
import time
from collections.abc import Iterator

import urllib3

from mobile_api.cli.doctor.place import Place, any_certificate
from mobile_api.cli.doctor.results import Line, unknown, well, wrong
from mobile_api.cli.doctor.thresholds import THRESHOLDS
from mobile_api.cli.operations_addresses import health
from storage.s3_calls import NoAnswer, ask

LIVE, STREAM = "/health/live", "/v1/events/probe"
TIMEOUT = urllib3.Timeout(connect=2.0, read=5.0)


def answers(place: Place) -> Iterator[Line]:
    """Live at the public address; ready by what each API says to operators."""
    yield _live(str(place.api_url))
    if not place.operators:
        yield unknown(
            f"{place.settings.data_dir} 没有正在运行的接口，无法询问是否就绪。",
            f"No API runs over {place.settings.data_dir}, so none can be asked whether it is ready.",
        )
    for address in place.operators:
        yield _ready(address, health(address))


def _live(url: str) -> Line:
    try:
        answer = ask(any_certificate(), "GET", url + LIVE)
    except NoAnswer as error:
        return wrong(
            f"{url} 没有应答（{error}）。请启动接口，并检查代理和防火墙。",
            f"{url} does not answer ({error}). Start the API, and look at the proxy and the firewall.",
        )
    if answer.status == 200 and _is_ok(answer.body):
        return well(f"{url} 在服务。", f"{url} answers.")
    return wrong(
        f"{url}{LIVE} 应答 {answer.status}，不是接口的应答。代理背后的接口在运行吗？",
        f"{url}{LIVE} answers {answer.status}, and that is not the API. Does the API behind the proxy run?",
    )


def _is_ok(body: bytes) -> bool:
    try:
        return bool(json.loads(body)["status"] == "ok")
    except (ValueError, KeyError, TypeError):
        return False


def _ready(address: str, told: dict[str, str | None]) -> Line:
    """Each part is ok, away or unknown; `store_why` says why the store takes no writes."""
    parts = ", ".join(f"{name}={text}" for name, text in told.items() if text not in ("ok", None))
    if parts and "away" not in told.values():
        return unknown(f"{address}：{parts}。", f"{address}: {parts}.")
    if not parts:
        return well(f"{address} 已就绪。", f"{address} is ready.")
    return wrong(
        f"{address} 未就绪：{parts}。请使所指的服务恢复，其他不必重启。",
        f"{address} is not ready: {parts}. Bring back what it names; nothing else needs a restart.",
    )


def stream(place: Place) -> Iterator[Line]:
    """The first word of a stream comes at once, two seconds before its last: nobody between holds it back."""
    url = str(place.api_url) + STREAM
    try:
        status, first, whole = _read(url)
        if status == 200 and _is_held_back(first, whole):  # by a proxy, or once by a busy machine
            status, first, whole = _read(url)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        yield wrong(
            f"{url} 没有应答（{error}），手机收不到新消息。",
            f"{url} does not answer ({error}): no phone hears that there is news.",
        )
        return
    if status != 200:
        yield unknown(
            f"{url} 应答 {status}，无法判断推送是否被缓冲。代理须把 /v1/events 下的路径都转给接口。",
            f"{url} answers {status}, so nobody knows whether the stream is held back. A proxy must lead all of "
            "/v1/events to the API.",
        )
    elif _is_held_back(first, whole):
        yield wrong(
            f"推送被代理缓冲：{whole:.1f} 秒的应答，{first:.1f} 秒后才到第一个字节。"
            "请关闭缓冲（nginx：proxy_buffering off；Caddy：flush_interval -1）。",
            f"A proxy holds the stream back: of an answer of {whole:.1f} s the first byte came after {first:.1f} s. "
            "Turn buffering off (nginx: proxy_buffering off; Caddy: flush_interval -1).",
        )
    else:
        yield well("推送即时到达，没有被缓冲。", "News comes at once: nothing holds the stream back.")


def _is_held_back(first: float, whole: float) -> bool:
    """Whether the first word came so late that only its last can have let it through."""
    return THRESHOLDS["stream_gap_seconds"].judge(whole - first) == "wrong"


def _read(url: str) -> tuple[int, float, float]:
    """The status, the seconds to the first byte of the body, and to its end."""
    begun = time.monotonic()
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "gzip, br"}  # as a browser asks
    answer = any_certificate().request(
        "GET", url, headers=headers, timeout=TIMEOUT, retries=False, redirect=False, preload_content=False
    )
    try:
        pieces = answer.stream(1, decode_content=False)
        next(pieces, None)
        first = time.monotonic() - begun
        for _ in pieces:
            pass
        return answer.status, first, time.monotonic() - begun
    finally:
        answer.close()
