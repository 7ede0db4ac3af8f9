"""The only SQL about users and tokens."""

from __future__ import annotations

from collections.abc import Iterable

from actorium.database import Row, Tx
from actorium.kernel.instant import Instant
from actorium.kernel.principal import Principal
from actorium.kernel.structs import decode, encode
from actorium.users.model import Document, User

_COLUMNS = "id, username, number, created_at, document"


def add(tx: Tx, user: User) -> bool:
    """Store a new user; False when its name or number is taken."""
    return bool(
        tx.run(
            "INSERT INTO users (id, username, username_key, number, created_at, revision, document)"
            " VALUES (:id, :username, :username_key, :number, :created_at, 1, :document) ON CONFLICT DO NOTHING",
            id=user.id,
            username=user.username,
            username_key=user.username.lower(),
            number=user.number,
            created_at=int(user.created_at),
            document=encode(user.document).decode(),
        )
    )


def next_number(tx: Tx) -> int:
    row = tx.one("SELECT COALESCE(MAX(number), 0) + 1 AS number FROM users")
    assert row is not None
    return int(row["number"])


def find(tx: Tx, user_id: str) -> User | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM users WHERE id = :id", id=user_id)
    return None if row is None else _user(row)


def hold(tx: Tx, user_id: str) -> None:
    """Let nobody else hold this user before the transaction is over."""
    tx.held("SELECT id FROM users WHERE id = :id", id=user_id)


def save_document(tx: Tx, user: User) -> None:
    tx.run(
        "UPDATE users SET document = :document, revision = revision + 1 WHERE id = :id",
        id=user.id,
        document=encode(user.document).decode(),
    )


def find_named(tx: Tx, username: str) -> User | None:
    """A user by name, in any case."""
    row = tx.one(f"SELECT {_COLUMNS} FROM users WHERE username_key = :key", key=username.lower())
    return None if row is None else _user(row)


def first(tx: Tx) -> User | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM users ORDER BY number LIMIT 1")
    return None if row is None else _user(row)


def page(tx: Tx, *, offset: int, limit: int) -> list[User]:
    return [
        _user(row)
        for row in tx.all(
            f"SELECT {_COLUMNS} FROM users ORDER BY number LIMIT :limit OFFSET :offset",
            limit=limit,
            offset=offset,
        )
    ]


def id_of(tx: Tx, username: str) -> str | None:
    row = tx.one("SELECT id FROM users WHERE username_key = :key", key=username.lower())
    return None if row is None else row["id"]


def usernames(tx: Tx, user_ids: Iterable[str]) -> dict[str, str]:
    """Names by id; users that are gone are left out."""
    names: dict[str, str] = {}
    for user_id in user_ids:
        row = tx.one("SELECT username FROM users WHERE id = :id", id=user_id)
        if row is not None:
            names[user_id] = row["username"]
    return names


def principal_of(tx: Tx, hash: str) -> Principal | None:
    row = tx.one(
        "SELECT users.id, users.username, users.number FROM tokens JOIN users ON users.id = tokens.user_id"
        " WHERE tokens.hash = :hash",
        hash=hash,
    )
    return None if row is None else Principal(user_id=row["id"], username=row["username"], number=row["number"])


def set_token(tx: Tx, *, hash: str, user_id: str, name: str, now: Instant) -> bool:
    """Make this the user's only token of the name; False when it belongs to somebody else."""
    tx.run("DELETE FROM tokens WHERE user_id = :user_id AND name = :name", user_id=user_id, name=name)
    tx.run(
        "INSERT INTO tokens (hash, user_id, name, created_at) VALUES (:hash, :user_id, :name, :now)"
        " ON CONFLICT DO NOTHING",
        hash=hash,
        user_id=user_id,
        name=name,
        now=int(now),
    )
    row = tx.one("SELECT user_id FROM tokens WHERE hash = :hash", hash=hash)
    return row is not None and row["user_id"] == user_id


def delete_tokens(tx: Tx, user_id: str) -> None:
    tx.run("DELETE FROM tokens WHERE user_id = :user_id", user_id=user_id)


def _user(row: Row) -> User:
    return User(
        id=row["id"],
        username=row["username"],
        number=row["number"],
        created_at=Instant(row["created_at"]),
        document=decode(row["document"], Document),
    )
