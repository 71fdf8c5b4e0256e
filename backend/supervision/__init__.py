"""Who leads: naming, confirming, declining, ending and handing over (R.7, R.10)."""
