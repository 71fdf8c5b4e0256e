"""Activities: what an auxiliary does on duty, checked before the act: may I do this now? (R.7 to R.12, R.30, R.32)"""
