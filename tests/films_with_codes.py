"""Films of a recorder that a time code is shown to, made by PyAV: small, short, each made once a test."""

import io
from datetime import UTC, datetime

import av
import segno

WIDTH, HEIGHT, RATE = 160, 120, 10
GRAY, WHITE, BLACK = b"\x80", b"\xff", b"\x00"


def film_showing(
    text: str | None, *, seconds: float = 3, at: float = 1, until: float = 9999, began: datetime | str | None = None,
    rate: int = RATE, gop: int = 12, then: tuple[str, float] | None = None, container: str = "mp4",
    codec: str = "libx264", tags: dict[str, str] | None = None,
) -> bytes:  # fmt: skip
    """A film that shows this QR from the second `at` on; None: no QR. `began`: what its metadata say.

    `then`: another QR, from which second on. `gop`: frames from one key frame to the next. `tags`: other
    texts of a MOV.
    """
    sink = io.BytesIO()
    options = {"movflags": "use_metadata_tags"} if tags else {}
    with av.open(sink, "w", format=container, options=options) as film:
        film.metadata.update(tags or {})
        if began is not None:
            told = began if isinstance(began, str) else f"{began.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            film.metadata["creation_time"] = told
        stream = film.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.gop_size = gop
        for number in range(round(seconds * rate)):
            shown = text if at * rate <= number < until * rate else None
            if then is not None and number >= then[1] * rate:
                shown = then[0]
            picture = _picture(shown)
            picture.pts = number
            film.mux(stream.encode(picture.reformat(format="yuv420p")))
        film.mux(stream.encode(None))
    return sink.getvalue()


def _picture(text: str | None) -> av.VideoFrame:
    frame = av.VideoFrame(WIDTH, HEIGHT, "gray")
    plane = frame.planes[0]
    lines = [GRAY * plane.line_size] * HEIGHT
    if text is not None:
        rows = [b"".join(BLACK if dark else WHITE for dark in row) for row in _modules(text)]
        left, top = (WIDTH - len(rows[0])) // 2, (HEIGHT - len(rows)) // 2
        for number, row in enumerate(rows):
            lines[top + number] = (GRAY * left + row).ljust(plane.line_size, GRAY)
    plane.update(b"".join(lines))
    return frame


def _modules(text: str) -> list[list[int]]:
    """The modules of the QR, two pixels each, with a margin of four."""
    return [list(row) for row in segno.make(text, error="m", boost_error=False).matrix_iter(scale=2, border=4)]
