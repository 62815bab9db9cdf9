"""The roles of those who call: what each may do, the later ones all that the earlier ones may."""

import enum


class Role(enum.StrEnum):
    """What a key is good for."""

    read = "read"
    write = "write"
    admin = "admin"

    def includes(self, smaller_role: "Role") -> bool:
        """Whether this role may do what that one may."""
        return _ORDER.index(self) >= _ORDER.index(smaller_role)


_ORDER = list(Role)

MEANINGS = {
    Role.read: "looks at everything and changes nothing",
    Role.write: "starts, changes and deletes sweeps too",
    Role.admin: "makes and revokes keys too",
}
