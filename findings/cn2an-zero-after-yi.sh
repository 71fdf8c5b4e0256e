#!/bin/sh
# cn2an leaves out the 零 of a sum where zeros stand between 亿 and 仟.
#
# Expected: 100001000 yuan is 壹亿零壹仟元整, as 100010000 yuan is 壹亿零壹万元整. The rules for filling in bills (the
#   annex of 支付结算办法, 正确填写票据和结算凭证的基本规定) write one 零 for several zeros that stand together.
# What happens: an2cn(100001000, "rmb") gives 壹亿壹仟元整. Read aloud it is not wrong about the value, but a bank may
#   return a bill that is written so, and a reader may take it for an altered sum.
# Versions: cn2an 0.5.24.
# Why a field system cares: the undertaking (垫付承诺书) that a hospital or an insurer takes carries the sum in capitals.
#   Whoever takes this library for it must test sums with zeros across 亿 and 万, not only the common ones.
set -eu

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
"$home/venv/bin/pip" --quiet --disable-pip-version-check install cn2an==0.5.24
"$home/venv/bin/python" - <<'PYTHON'
import importlib.metadata
import sys

import cn2an

print("cn2an", importlib.metadata.version("cn2an"))
SEEN = {  # yuan: what cn2an writes
    100010000: "壹亿零壹万元整",
    100000001.05: "壹亿零壹元零伍分",
    10010.1: "壹万零壹拾元壹角",
    100001000: "壹亿壹仟元整",  # by the rules 壹亿零壹仟元整
}
changed = False
for yuan, seen in SEEN.items():
    now = cn2an.an2cn(yuan, "rmb")
    print(yuan, now, "" if now == seen else f"(seen before: {seen})")
    changed |= now != seen
sys.exit("cn2an writes sums in another way now" if changed else 0)
PYTHON
echo "as described: no 零 between 亿 and 仟"
