"""The disk of the data directory."""

import shutil
from collections.abc import Iterator

from mobile_api.cli.doctor.place import Place
from mobile_api.cli.doctor.results import Line
from mobile_api.cli.doctor.thresholds import THRESHOLDS


def free(place: Place) -> Iterator[Line]:
    """Enough of it is free."""
    home = place.settings.data_dir
    disk = shutil.disk_usage(home)
    share = disk.free / disk.total
    mark = THRESHOLDS["disk_free_share"].judge(share)
    zh = f"{home} 所在磁盘剩余 {disk.free / 2**30:.1f} GiB（{share:.0%}）"
    en = f"{disk.free / 2**30:.1f} GiB ({share:.0%}) of the disk of {home} are free"
    if mark == "well":
        yield Line(mark=mark, zh=f"{zh}。", en=f"{en}.")
        return
    yield Line(
        mark=mark,
        zh=f"{zh}：请增加空间，写满后不能再接收任何记录。",
        en=f"{en}: add space; once it is full no entry is taken any more.",
    )
