#!/bin/sh
# Expected: the average rate of a bare H.264 stream is the rate that the stream itself says.
# Happens: average_rate is 25 whatever the stream says; guessed_rate is right (10 here). The packets have no times, so a
# length reckoned by the average is two fifths of the film's.
# Versions: PyAV 18.1.0 (FFmpeg 8.1 in its wheel).
# Why a field system cares: recorders leave .264 files; a film that proves too little makes a false gap in the record.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --only-binary :all: av==18.1.0
"$folder/venv/bin/python" - "$folder/film.264" <<'PYTHON'
import sys

import av

print("PyAV", av.__version__)
with av.open(sys.argv[1], "w", format="h264") as film:
    stream = film.add_stream("libx264", rate=10)
    stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
    for _ in range(40):
        film.mux(stream.encode(av.VideoFrame(160, 120, "yuv420p")))
    film.mux(stream.encode(None))
with av.open(sys.argv[1]) as film:
    stream = film.streams.video[0]
    rates = stream.average_rate, stream.guessed_rate, stream.start_time
    print("average_rate, guessed_rate, start_time:", *rates)
sys.exit(0 if rates == (25, 10, None) else "it is not so any more")
PYTHON
