"""Values for the examples in the OpenAPI document: ids, a case number, a place, a notice, a digest."""

from typing import Any

SENT_AT = "2026-03-01T08:00:01+08:00"
ID = "0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0001"
OTHER = "0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0002"
OFFICER = "0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0003"
CASE = "A3301022026030001"
PLACE = {"lat": 30.2741, "lon": 120.1551, "accuracy_m": 8.0, "datum": "WGS84"}
NOTICE = {"id_shown": True, "told": "向被盘查人说明身份和依据", "recusal_right_told": True}
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def example(**fields: Any) -> dict[str, Any]:
    """An entry as it is sent to its own route. `fields`: the fields of its verb."""
    common = {"sent_at": SENT_AT, "id": ID, "occurred_at": "2026-03-01T08:00:00+08:00"}
    return {**common, "device_seq": 17, **fields}
