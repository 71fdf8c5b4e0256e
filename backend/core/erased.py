"""What a text column that may not be null says once it was erased."""

ERASED = "〔到期删除〕"
