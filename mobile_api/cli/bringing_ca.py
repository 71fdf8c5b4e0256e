"""`fujing serve --ca`: how the CA of this house comes onto phones and desks, in plain words, with a QR."""

import sys
from datetime import UTC, datetime

import segno

from backend.core.days import in_china
from backend.core.settings import Settings
from mobile_api.cli import lan
from mobile_api.cli.lan import Reach, ShownCertificate
from mobile_api.cli.terminal import console, say, warn
from storage.house_ca import PERIODS, ends_at, fingerprint
from storage.language import SentenceError

STEPS = (
    (
        "Android：打开上面的地址下载；设置 → 安全 → 加密与凭据 → 安装证书 → CA 证书"
        "（各品牌菜单略有不同，可在设置中搜索“CA 证书”），选刚下载的 fujing-ca.crt。需先设锁屏密码。",
        "Android: open the address above; Settings → Security → Encryption & credentials → Install a certificate → CA "
        "certificate (search the settings for “CA certificate”), and choose fujing-ca.crt. A screen lock is needed.",
    ),
    (
        "HarmonyOS：打开上面的地址下载；设置 → 安全（隐私和安全）→ 更多安全设置（高级）→ "
        "加密和凭据（证书与凭据）→ 从存储设备安装，选 fujing-ca.crt，用途选“CA 证书”。",
        "HarmonyOS: open the address above; Settings → Security (Privacy & security) → More settings (Advanced) → "
        "Encryption & credentials → Install from storage, choose fujing-ca.crt, as a CA certificate.",
    ),
    (
        "iPhone/iPad：用 Safari 打开上面的地址并允许下载描述文件；设置 → 通用 → VPN与设备管理 → 安装；"
        "再到 设置 → 通用 → 关于本机 → 证书信任设置，打开对它的完全信任（缺这一步仍不受信任）。",
        "iPhone, iPad: open the address in Safari and allow the profile; Settings → General → VPN & Device Management "
        "→ install it; then Settings → General → About → Certificate Trust Settings: turn on full trust (without this "
        "step it is not trusted).",
    ),
    (
        "电脑：Windows 双击文件 → 安装证书 → 本地计算机 → 受信任的根证书颁发机构；麒麟、统信、Debian 把文件放入 "
        "/usr/local/share/ca-certificates/ 后运行 update-ca-certificates；Firefox 在“证书”设置中另行导入。",
        "Desks: Windows: open the file → Install → Local Machine → Trusted Root Certification Authorities. Debian "
        "and its kin: put it into /usr/local/share/ca-certificates/ and run update-ca-certificates. "
        "Firefox: import it in its own settings.",
    ),
    (
        "采集工作站和命令行：SSL_CERT_FILE 指向该文件；curl 用 --cacert。",
        "Docking stations and commands: SSL_CERT_FILE names the file; curl takes --cacert.",
    ),
)


def show(settings: Settings) -> None:
    """Print where the CA's certificate is, its fingerprint, a QR and the steps. Raises SentenceError where none is."""
    found = lan.reach(settings)
    if found is not None and found.ca is None:
        raise SentenceError(
            f"本站使用给定的证书 {found.certificate}，没有自己的 CA：手机须信任签发它的 CA。",
            f"This house shows a given certificate, {found.certificate}, and has no CA of its own: phones must trust "
            "whoever issued that one.",
        )
    if found is None or found.ca is None or not found.ca.exists():
        raise SentenceError(
            f"{settings.data_dir} 还没有 CA：请先运行 `fujing serve --lan 名称`。",
            f"There is no CA in {settings.data_dir} yet: run `fujing serve --lan NAME` first.",
        )
    _say_what_it_is(found, fingerprint(found.ca))
    _say_where(found)
    console.print()
    for zh, en in STEPS:
        say(f"· {zh}", f"· {en}")
    console.print()
    say(
        "只装到本单位的手机和电脑上。证书由本站自动更换，CA 不变，手机不必重装。",
        "Only onto phones and desks of this unit. The house renews its certificate by itself; the CA stays, and phones "
        "need nothing.",
    )


def _say_what_it_is(found: Reach, told: str) -> None:
    assert found.ca is not None  # noqa: S101 - the caller looked
    ends = in_china(ends_at(found.ca)).date()
    say(f"本站 CA 证书：{found.ca}（至 {ends}）", f"The CA of this house: {found.ca} (until {ends})")
    say(
        f"SHA-256 指纹：{told}\n安装时请逐段核对；不一致就不要安装。",
        f"Its SHA-256 fingerprint: {told}\nCompare it when you install; where it differs, do not.",
    )


def _say_where(found: Reach) -> None:
    """The address for a phone that does not trust the CA yet, and its QR."""
    if found.ca_url is None:
        say("请用 U 盘等把该文件带到手机上。", "Carry that file onto the phones.")
        return
    say(
        f"`fujing serve` 运行时，手机在同一网络中打开（明文 HTTP，只提供这一证书）：{found.ca_url}",
        f"While `fujing serve` runs, a phone in the same network opens (plain HTTP, this certificate alone): "
        f"{found.ca_url}",
    )
    if sys.stdout.isatty():
        segno.make(found.ca_url, error="m").terminal(compact=True)


def say_reach(settings: Settings, found: Reach | None, shown: ShownCertificate | None) -> None:
    """What `serve` says of how phones reach it."""
    if found is None:
        if settings.public_url is None:
            say(
                "只有本机能访问；要供手机使用，请用 `fujing serve --lan 名称` 启动",
                "only this machine reaches it; for phones, start with `fujing serve --lan NAME`",
            )
        return
    if found.store_url is not None:
        say(
            f"手机：接口 {found.api_url}   存储 {found.store_url}",
            f"phones: API {found.api_url}   store {found.store_url}",
        )
    if found.ca is not None:
        told = fingerprint(found.ca)
        say(
            f"手机须先装本站 CA（方法：`fujing serve --ca`）；指纹 {told}",
            f"phones need the CA of this house (how: `fujing serve --ca`); fingerprint {told}",
        )
    _warn_of_ends(found, shown)


def _warn_of_ends(found: Reach, shown: ShownCertificate | None) -> None:
    if shown is not None and shown.ca is not None and shown.ca.ends_soon:
        ends, folder = in_china(ends_at(shown.ca.files.certificate)).date(), shown.ca.files.certificate.parent
        warn(
            f"本站 CA 于 {ends} 到期：请安排更换。移走 {folder} 后 `fujing serve` 会新建，再装到每部手机上。",
            f"The CA of this house ends on {ends}: plan for the next one. Move {folder} away, `fujing serve` makes "
            "another, and every phone needs it.",
        )
    given = found.ca is None and ends_at(found.certificate)
    if given and (given - datetime.now(UTC)).days < PERIODS.renewal.before_days:
        warn(
            f"给定的证书 {found.certificate} 于 {in_china(given).date()} 到期：请及时更换，`serve` 会自动换用新文件。",
            f"The given certificate {found.certificate} ends on {in_china(given).date()}: renew it; `serve` takes the "
            "new file by itself.",
        )
