"""Complaints about auxiliaries (投诉举报), and matters that auxiliaries raise themselves (意见, 申诉, 侵扰)."""
