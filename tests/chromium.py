"""How a test runs Debian's Chromium: nothing asked of anybody else, sound off, films play by themselves."""

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
)  # fmt: skip
