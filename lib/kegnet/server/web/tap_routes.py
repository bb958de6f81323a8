"""All routes of the pages of a tap."""

from __future__ import annotations

from . import tap_calibration, tap_keg, tap_pages, tap_pour, tap_settings

ROUTES = (*tap_pages.ROUTES, *tap_pour.ROUTES, *tap_keg.ROUTES, *tap_settings.ROUTES, *tap_calibration.ROUTES)
