"""What FFmpeg says of films. Nobody reads it: what a film is comes from its packets and frames."""

import av

QUIET = -8  # AV_LOG_QUIET, for which PyAV has no name


def silence() -> None:
    """Let FFmpeg's libraries say nothing in this process.

    PyAV's own callback takes the GIL, for which a decoder's thread may wait for ever: whoever frees the decoder waits
    for that thread with the GIL held. FFmpeg's takes none.
    """
    av.logging.restore_default_callback()
    av.logging.set_libav_level(QUIET)
