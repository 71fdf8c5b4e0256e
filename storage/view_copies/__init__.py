"""View copies (观看副本): footage that no browser plays, made playable for the eye, in bounded child processes.

Guarantees: a hostile file can only kill the child that reads it. A child reads the stored file by ranges, never whole
into memory, and writes a fragmented MP4 whose times are those of the film plus `SHIFT`. A view copy is never evidence:
what was sealed is the original.

`ways` says how a film can be watched, `stored_file` reads the store, `opening` opens a film, `remuxing` puts its
packets into MP4 as they are, `transcoding` encodes them anew, `child` is the process, `children` is the way to it.
"""

SHIFT_MS = 1000  # times in a view copy are those of the film plus this: no decoding time is below zero
