"""The roles of those who call: what each may do. Each but that of workers may do all that the ones before it may."""

import enum


class Role(enum.StrEnum):
    """What a key is good for."""

    worker = "worker"
    read = "read"
    write = "write"
    admin = "admin"

    def includes(self, smaller_role: "Role") -> bool:
        """Whether this role may do what that one may: who may change sweeps may train them too."""
        if smaller_role is Role.worker:
            return self is not Role.read
        return _ORDER.index(self) >= _ORDER.index(smaller_role)


_ORDER = list(Role)

MEANINGS = {
    Role.worker: "takes trials and hands in their results, and can do nothing else",
    Role.read: "looks at everything and changes nothing",
    Role.write: "starts, changes and deletes sweeps too",
    Role.admin: "makes and revokes keys too",
}
