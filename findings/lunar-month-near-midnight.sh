#!/bin/sh
# Libraries of the lunar calendar put Mid-Autumn on different days where the new moon falls near midnight.
#
# Expected: the date of a lunar day is a fact (GB/T 33661-2017: a month begins on the day, in the time of 120° E, in
#   which the new moon falls), so that every kept library gives the same.
# What happens: of the days on which statutory holidays rest, from 1901 to 2099, borax, lunardate and tyme4py differ
#   in two. Mid-Autumn of 2089 is 18 September for lunardate and tyme4py and 19 September for borax: the new moon is some
#   minutes before midnight. That of 1978 is 17 September for borax and tyme4py, as Chinese calendars had it, and
#   16 September for lunardate. cnlunar agrees with tyme4py in both, but takes the first day of 1900 for a day in the
#   twelfth month of 1899.
# Versions: borax 4.1.3, lunardate 0.3.0, tyme4py 1.5.0, cnlunar 0.2.5.
# Why a field system cares: Mid-Autumn is paid threefold (劳动法 44), and a deadline that ends on it moves on. Whoever
#   reckons holidays by rule holds one library against a second for each year that the system may meet, and says where
#   its years begin and end.
set -eu

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
"$home/venv/bin/pip" --quiet --disable-pip-version-check install borax==4.1.3 lunardate==0.3.0 cnlunar==0.2.5 tyme4py==1.5.0
"$home/venv/bin/python" - <<'PYTHON'
import importlib.metadata
import sys
from datetime import date, datetime

import cnlunar
import lunardate
from borax.calendars import lunardate as borax
from tyme4py.lunar import LunarDay

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("borax", "lunardate", "tyme4py", "cnlunar")))


def tyme(year, month, day):
    found = LunarDay.from_ymd(year, month, day).get_solar_day()
    return date(found.get_year(), found.get_month(), found.get_day())


def by_cnlunar(day):
    moon = cnlunar.Lunar(datetime(day.year, day.month, day.day, 12))
    return moon.lunarYear, moon.lunarMonth, moon.lunarDay


SEEN = {  # lunar day: borax, lunardate, tyme4py
    (1978, 8, 15): ("1978-09-17", "1978-09-16", "1978-09-17"),
    (2089, 8, 15): ("2089-09-19", "2089-09-18", "2089-09-18"),
}
differ = {}
for year in range(1901, 2100):
    for month, day in ((1, 1), (1, 2), (1, 3), (5, 5), (8, 15)):
        told = (
            str(borax.LunarDate(year, month, day).to_solar_date()),
            str(lunardate.LunarDate(year, month, day).to_solar_date()),
            str(tyme(year, month, day)),
        )
        if len({*told}) > 1:
            differ[year, month, day] = told
            print((year, month, day), "borax, lunardate, tyme4py:", *told)
agrees = all(by_cnlunar(tyme(*day)) == day for day in SEEN)
first = by_cnlunar(date(1900, 1, 31))
print("cnlunar agrees with tyme4py in both:", agrees, "· it takes 1900-01-31 for", first)
sys.exit("they tell other days now" if differ != SEEN or not agrees or first == (1900, 1, 1) else 0)
PYTHON
echo "as described: Mid-Autumn of 1978 and 2089 depend on the library"
