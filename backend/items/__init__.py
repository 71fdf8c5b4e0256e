"""Things handed out to a person and given back: recorders, handhelds, uniforms, IDs (领用, 归还)."""
