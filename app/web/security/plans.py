"""Plans: what a sweep would be is worked out for a few at a time, so that all else is answered meanwhile."""

from app.web.security.places import Places, place_among

# Of a grid of 100,000 cells under constraints each is judged, which takes a second and 30 MB.
MAX_PLANS = 4  # of one caller


def plan_places() -> Places:
    """Those of a server."""
    return Places(MAX_PLANS, "Other sweeps are being worked out: try again in a moment.")


PLAN_PLACE = place_among("plans")
