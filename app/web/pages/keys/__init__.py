"""The page of the keys, for admins."""

from app.web.pages.keys.page import router

__all__ = ["router"]
