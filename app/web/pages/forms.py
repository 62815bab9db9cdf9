"""The fields of a posted form, as what the routes of the pages depend on."""

from typing import Annotated

from fastapi import Depends, Request


async def _posted_fields(request: Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.form()).items()}


PostedForm = Annotated[dict[str, str], Depends(_posted_fields)]
