"""Drawings: charts and reports are computed a few at a time, so that all else is answered meanwhile."""

from app.web.security.places import Places, place_among

# One may compute for seconds, and who asks for another option each time is never answered from a cache.
MAX_DRAWINGS = 4  # of one caller


def drawing_places() -> Places:
    """Those of a server."""
    return Places(MAX_DRAWINGS, "Other charts are being drawn: try again in a moment.")


DRAWING_PLACE = place_among("drawings")
