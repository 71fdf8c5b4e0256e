"""What goes between a child that makes view copies and the process that ordered it.

An order is JSON. An answer is messages: a head of `MESSAGE` (kind, length of what follows, time in microseconds), then
the content. LOOK or FAILED stand alone; a copy is HEAD, INIT, then MEDIA for the head of each fragment and MORE for its
frames, then END. An answer that ends otherwise was broken off. The time is that at which a fragment begins (MEDIA), or
up to which its frames may reach (MORE of a remux).
"""

import struct

MESSAGE = struct.Struct(">cQQ")
LOOK, HEAD, INIT, MEDIA, MORE, END, FAILED = b"L", b"H", b"I", b"M", b"m", b"E", b"F"
ORDER_BYTES = 64 * 1024
