"""What becomes of an input before a run gets it: defaults filled in, checked, secrets encrypted."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import msgspec

from actorium.actors.service import Actors
from actorium.actors.vault import Vault
from actorium.builds.row import BuildRow
from actorium.builds.service import Builds
from actorium.database import Database, Tx
from actorium.http.route import RawBody
from actorium.inputs import store
from actorium.inputs.errors import InputSchemaInvalid
from actorium.inputs.keys import Keys
from actorium.inputs.masks import texts_of
from actorium.inputs.messages import told, told_outdated
from actorium.inputs.prepared import JSON_INPUT, Prepared, as_sent, is_json, values_of
from actorium.inputs.resources import granted
from actorium.inputs.schema import InputSchema, Values, value_of
from actorium.inputs.secrets import NONE, Secrets, encrypt, uncover
from actorium.kernel.errors import Forbidden, Invalid, InvalidInput
from actorium.kernel.ids import Ids
from actorium.kernel.limits import (
    GRANTED_STORAGES_MAX,
    INPUT_BUILDS_KNOWN_MAX,
    INPUT_SCHEMAS_KNOWN_BYTES,
    INPUT_SCHEMAS_KNOWN_MAX,
)
from actorium.kernel.principal import Principal
from actorium.kernel.structs import decode, encode
from actorium.storages.schema_checks import SchemaChecks, TooCostly
from actorium.storages.schemas import SchemaInvalid, TooDeep


class Inputs:
    """Inputs of runs and tasks, by the input schemas of builds."""

    def __init__(
        self, database: Database, *, actors: Actors, builds: Builds, keys: Keys, vault: Vault, schemas: SchemaChecks,
        ids: Ids,
    ) -> None:  # fmt: skip
        self.keys = keys
        self._database = database
        self._actors = actors
        self._builds = builds
        self._vault = vault
        self._schemas = schemas
        self._ids = ids
        self._known: OrderedDict[str, InputSchema] = OrderedDict()
        self._known_bytes = 0
        self._started: dict[tuple[str, str, str | None], BuildRow] = {}

    async def expected(
        self, principal: Principal, actor: str, wanted: str | None, body: RawBody, *, found: BuildRow | None = None
    ) -> Prepared:
        """The input for a start of an Actor. Raises as ``prepare`` and as ``Builds.for_run_in``.

        It is made for the build that such a start got last time, so that nothing has to be read. The start checks
        whether it fits the build that it gets; if not, it calls again and names the build that it ``found``.
        """
        key = (principal.user_id, actor, wanted)
        known, refusal = self._started.get(key), None
        if found is None and known is not None:
            try:
                return await self.prepare(principal.user_id, known, body)
            except Invalid as error:  # by a build that may be yesterday's
                refusal = error
        if found is None:
            found = await self._database.read(lambda tx: self._build_in(tx, principal, actor, wanted))
        if refusal is not None and known is not None and found.id == known.id:
            raise refusal
        if len(self._started) >= INPUT_BUILDS_KNOWN_MAX:
            self._started.clear()
        self._started[key] = replace(found, env_vars=())
        return await self.prepare(principal.user_id, found, body)

    async def prepare(self, user_id: str, build: BuildRow, body: RawBody) -> Prepared:
        """The input that a user's run of a build gets.

        Raises InvalidInput for one that the build's schema does not take, InputSchemaInvalid, VaultLocked, Unavailable.
        """
        sent = as_sent(body)
        if not build.facts.has_input_schema:
            return sent
        schema = await self._schema(build) if not sent.content or is_json(body) else None
        if schema is None:
            return replace(sent, build_id=build.id)
        given = values_of(sent.content) if sent.content else {}
        values = schema.filled(given)
        secrets = await self._checked(schema, values, user_id=user_id, actor_id=build.actor_id)
        # Only what the caller picked: a default is the Actor's word, and no Actor says what it gets of an account.
        handed = granted(schema.source, {name: value_of(given[name]) for name in schema.resources if name in given})
        if len(handed) > GRANTED_STORAGES_MAX:
            raise InvalidInput(f"Input is not valid: it hands over more than {GRANTED_STORAGES_MAX} storages")
        content = sent.content
        if len(values) > len(given) or secrets.clear:
            content = encode(await self._encrypted(schema, values, secrets, user_id=user_id, actor_id=build.actor_id))
        return Prepared(
            build_id=build.id,
            content=content,
            content_type=sent.content_type if sent.content else JSON_INPUT,
            body_len=sent.body_len,
            granted=handed,
            masked=texts_of(secrets.clear.values()),
        )

    async def validate(self, principal: Principal, actor: str, wanted: str | None, values: Values | None) -> None:
        """Check an input as a start would. Raises as ``prepare`` and as ``Builds.for_run_in``."""
        build = await self._database.read(lambda tx: self._build_in(tx, principal, actor, wanted))
        schema = await self._schema(build) if build.facts.has_input_schema else None
        if schema is not None:
            filled = schema.filled(values or {})
            await self._checked(schema, filled, user_id=principal.user_id, actor_id=build.actor_id)

    async def sealed(self, principal: Principal, actor: str, wanted: str | None, values: Values) -> Values:
        """An input of a task as it may be stored: secrets encrypted. As it is, where no schema says what is secret."""
        try:
            build = await self._database.read(lambda tx: self._build_in(tx, principal, actor, wanted))
            schema = await self._schema(build) if build.facts.has_input_schema else None
        except (Forbidden, InputSchemaInvalid):
            return values
        if schema is None:
            return values
        secrets = await self._uncovered(schema, values, user_id=principal.user_id, actor_id=build.actor_id)
        return await self._encrypted(schema, values, secrets, user_id=principal.user_id, actor_id=build.actor_id)

    def keep_in(self, tx: Tx, run_id: str, input_key: str, prepared: Prepared) -> None:
        """Remember what the log of a run with this input must not show, beside what it is to hide there already.

        Raises VaultLocked.
        """
        if not prepared.masked:
            return
        subject = f"run:{run_id}:{input_key}"
        before = dict(store.secrets(tx, run_id)).get(input_key)  # a fork's: of the input that its source had
        old = () if before is None else decode(self._vault.open(before, subject=subject), tuple[str, ...])
        texts = texts_of((*prepared.masked, *old))
        sealed = self._vault.seal(encode(texts).decode(), subject=subject)
        store.put_secrets(tx, run_id=run_id, input_key=input_key, sealed=sealed)

    def carry_in(self, tx: Tx, source_id: str, run_id: str) -> None:
        """Remember of another run what is remembered of one whose records it gets. Raises VaultLocked."""
        for input_key, sealed in store.secrets(tx, source_id):
            texts = self._vault.open(sealed, subject=f"run:{source_id}:{input_key}")
            again = self._vault.seal(texts, subject=f"run:{run_id}:{input_key}")
            store.put_secrets(tx, run_id=run_id, input_key=input_key, sealed=again)

    def secrets_in(self, tx: Tx, run_id: str) -> tuple[str, ...]:
        """What the log of a run must not show of its inputs. Raises VaultLocked."""
        return tuple(
            text
            for input_key, sealed in store.secrets(tx, run_id)
            for text in decode(self._vault.open(sealed, subject=f"run:{run_id}:{input_key}"), tuple[str, ...])
        )

    # Inside

    def _build_in(self, tx: Tx, principal: Principal, actor: str, wanted: str | None) -> BuildRow:
        return self._builds.for_run_in(tx, self._actors.runnable_in(tx, principal, actor), wanted)

    async def _schema(self, build: BuildRow) -> InputSchema | None:
        known = self._known.get(build.id)
        if known is not None:
            self._known.move_to_end(build.id)
            return known
        definition = await self._database.read(lambda tx: self._builds.definition_in(tx, build.id))
        source = (definition or {}).get("input")
        if source is None:
            return None
        if (known := self._known.get(build.id)) is not None:  # somebody else read it meanwhile
            return known
        try:
            schema = self._known[build.id] = InputSchema.read(source)
        except SchemaInvalid as error:
            raise InputSchemaInvalid(str(error), path=error.path) from None
        self._known_bytes += schema.size
        while len(self._known) > INPUT_SCHEMAS_KNOWN_MAX or self._known_bytes > INPUT_SCHEMAS_KNOWN_BYTES:
            self._known_bytes -= self._known.popitem(last=False)[1].size
        return schema

    async def _checked(self, schema: InputSchema, values: Values, *, user_id: str, actor_id: str) -> Secrets:
        """What is secret in an input that the schema takes."""
        secrets = await self._uncovered(schema, values, user_id=user_id, actor_id=actor_id)
        if secrets.outdated:
            raise InvalidInput(told_outdated(sorted(secrets.outdated)))
        shown = {name: value for name, value in values.items() if name not in secrets.closed}
        shown |= {name: msgspec.Raw(encode(secrets.clear[name])) for name in secrets.opened}
        document = (
            encode(shown).replace(b"\n", b" ").replace(b"\r", b" ")
        )  # never inside a text, where they are escaped
        try:
            report = await self._schemas.check(schema.rules, document, user_id=user_id)
        except SchemaInvalid as error:
            raise InputSchemaInvalid(str(error), path=error.path) from None
        except TooDeep:
            raise InvalidInput("Input is not valid: it is nested too deeply to be checked") from None
        except TooCostly:
            raise InvalidInput(
                "Input is not valid: to check it against the Actor's input schema takes too long; make it smaller, or "
                "make the schema simpler"
            ) from None
        errors = report.invalid[0]["validationErrors"] if report is not None else []
        errors = [error for error in errors if error["params"].get("missingProperty") not in secrets.closed]
        if errors:
            raise InvalidInput(told(errors, schema.fields, shown))
        return secrets

    async def _uncovered(self, schema: InputSchema, values: Values, *, user_id: str, actor_id: str) -> Secrets:
        given = [name for name in schema.secrets if name in values]
        if not given:
            return NONE
        pair = await self.keys.find(user_id, actor_id)
        return await uncover({name: values[name] for name in given}, pair, schema.fields)

    async def _encrypted(
        self, schema: InputSchema, values: Values, secrets: Secrets, *, user_id: str, actor_id: str
    ) -> Values:
        wanted = {name: values[name] for name in secrets.clear if name not in secrets.opened}
        if not wanted:
            return values
        pair = await self.keys.get(user_id, actor_id)
        return values | await encrypt(wanted, fields=schema.fields, pair=pair, ids=self._ids)
