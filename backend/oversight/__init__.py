"""Looking back: timelines of a shift, and lists of what one may see."""
