"""Random calls of thieves: every method of the contract, with what others own, forged and their own.

A thief is a key and what its holder may see. What may not be seen is known by marks, which stand in everything that a
tenant owns and that no thief ever writes, and by ids, which no thief may be told that has not sent them.
"""

from __future__ import annotations

import asyncio
import random
import re
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import grpc
from google.protobuf import message, message_factory, struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service import server
from retrieval_service.api.access.policies import POLICIES
from tests.kits.isolation_kit import Marks, Owned
from tests.kits.service_kit import Running, bearer

METHODS = {f"/{one.full_name}/{method.name}": method for one in server.SERVICES for method in one.methods}
OPERATORS = frozenset(method for method in METHODS if POLICIES[method].scopes == {"operator"})
PATIENCE_SECONDS = 10.0
# A stream that follows something waits for what never happens here.
FOLLOWING = {"/kladez.v1.IndexJobService/WatchIndexJob"}
FOLLOWING_SECONDS = 0.3
BUNDLES = 30

MARK = re.compile(rb"zq[0-9a-f]{10}[pth]")
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# What answers tell and later calls can name.
LEARNT = {
    *("session_id", "session_token", "answer_id", "document_id", "index_job_id", "snapshot_id", "token"),
    *("code", "next_page_token", "group_id", "import_id", "public_key"),
}


def marks_of(number: int) -> Marks:
    stem = f"zq{random.Random(number).getrandbits(40):010x}"  # noqa: S311 (the same in every run)
    return Marks(public=f"{stem}p", text=f"{stem}t", hidden=f"{stem}h")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A tenant and what a thief would like to have of it, by the names of fields."""

    marks: Marks
    owned: Owned
    loot: Mapping[str, str]

    @property
    def tenant_id(self) -> str:
        return self.owned.shop.tenant_id


# These are proofs: who shows one is let in, and must be.
PROOFS = frozenset({"session_token", "code", "token"})


def target(marks: Marks, owned: Owned) -> Target:
    loot = {
        "tenant_id": owned.shop.tenant_id,
        "public_key": owned.shop.tenant.public_key,
        "document_id": str(owned.document_id),
        "document_ids": str(owned.document_id),
        "session_id": str(owned.session_id),
        "session_token": owned.session_token,
        "answer_id": str(owned.answer_id),
        "request_id": str(owned.request_id),
        "import_id": str(owned.import_id),
        "index_job_id": str(owned.index_job_id),
        "group_id": str(owned.gap_id),
        "api_key_id": owned.api_key_id,
        "code": owned.handoff_code,
        "snapshot_id": str(owned.snapshot_id),
        "token": owned.snapshot_token,
    }
    return Target(marks=marks, owned=owned, loot=loot)


@dataclass(kw_only=True)
class Thief:
    """A key. `home` is its tenant, None for a key of many tenants, which names those in `visits`.

    `sees` are the kinds of marks that it may see of the tenant it acts for. An operator's may do as it likes to
    tenants, so `reach` says whose ids it is given.
    """

    name: str
    key: str
    scopes: frozenset[str]
    sees: frozenset[str]
    home: Target | None = None
    visits: Sequence[Target] = ()
    reach: Sequence[Target] = ()
    bundles: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=BUNDLES))

    def learn(self, told: dict[str, str]) -> None:
        """What belongs to one conversation is kept together."""
        known = next(
            (one for one in self.bundles if one.get("session_id") == told.get("session_id", "none")), None
        )
        if known is not None:
            known.update(told)
        elif told:
            self.bundles.append(told)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call as it goes out; `acts_for` is the tenant it may be answered for."""

    method: str
    thief: Thief
    bodies: Sequence[bytes]
    metadata: tuple[tuple[str, str], ...]
    acts_for: Target | None


class Chance:
    """All that is random about one call, the same for the same seed and number."""

    def __init__(self, seed: str, targets: Sequence[Target], templates: Mapping[str, Any]) -> None:
        self._dice = random.Random(seed)  # noqa: S311 (what failed must fail again)
        self._targets = targets
        self._templates = templates

    def call(self, thieves: Sequence[Thief]) -> Call:
        thief = self._dice.choice(thieves)
        method = self._method(thief)
        if self._dice.random() < 0.4:
            return self._honest(method, thief)
        acts_for, named = self._tenant(thief)
        whose, bundle = self._bundle(thief)
        bodies = [self._request(method, whose, thief, bundle) for _ in range(self._messages(method))]
        return Call(
            method=method,
            thief=thief,
            bodies=bodies,
            metadata=bearer(thief.key, *named),
            acts_for=acts_for,
        )

    def _honest(self, method: str, thief: Thief) -> Call:
        """A call that is well, so that there is something to leak; what it names is its own, or another's."""
        own = thief.home or self._dice.choice(thief.visits)
        whose, bundle = own, without_proofs(own, thief)
        if thief.bundles and self._dice.random() < 0.6:
            bundle = dict(self._dice.choice(thief.bundles))
        elif self._dice.random() < 0.3:
            whose, bundle = self._bundle(thief)
        named = () if thief.home else (("x-tenant-id", own.tenant_id),)
        body = self._named(self._template(method, whose, thief), bundle).SerializeToString()
        return Call(
            method=method,
            thief=thief,
            bodies=[body],
            metadata=bearer(thief.key, *named),
            acts_for=own,
        )

    def _named(self, made: message.Message, bundle: Mapping[str, str]) -> message.Message:
        for name, value in bundle.items():
            one = made.DESCRIPTOR.fields_by_name.get(name)
            if one is not None and not one.is_repeated and one.message_type is None:
                setattr(made, name, value)
        for name in set(WORDS) & set(made.DESCRIPTOR.fields_by_name):
            if made.DESCRIPTOR.fields_by_name[name].type == FieldDescriptor.TYPE_STRING:
                setattr(made, name, WORDS[name][0])
        return made

    def _method(self, thief: Thief) -> str:
        """Mostly one that the key may call."""
        open_ones = [method for method in METHODS if POLICIES[method].scopes & thief.scopes]
        return self._dice.choice(open_ones if self._dice.random() < 0.8 else list(METHODS))

    def _messages(self, method: str) -> int:
        return self._dice.randint(1, 3) if METHODS[method].client_streaming else 1

    def _tenant(self, thief: Thief) -> tuple[Target | None, tuple[tuple[str, str], ...]]:
        """Whose tenant is named, in which spelling."""
        named = self._dice.choice(thief.reach or self._targets)
        if thief.visits and self._dice.random() < 0.8:
            named = self._dice.choice(thief.visits)
        if thief.home and self._dice.random() < 0.7:
            return thief.home, ()
        spelling = self._dice.choice(SPELLINGS)(named.tenant_id)
        if thief.home:
            return thief.home, spelling
        return (named if named in thief.visits else None), spelling if named in thief.visits else ()

    def _bundle(self, thief: Thief) -> tuple[Target, Mapping[str, str]]:
        """Somebody, and what this call may name: the thief's own, or theirs."""
        chance = self._dice.random()
        victim = self._dice.choice(thief.reach or self._targets)
        if chance < 0.4 and thief.bundles:
            return victim, dict(self._dice.choice(thief.bundles))
        if chance < 0.9:
            return victim, self._with_another_proof(without_proofs(victim, thief), thief)
        return victim, {}

    def _with_another_proof(self, loot: Mapping[str, str], thief: Thief) -> Mapping[str, str]:
        """A foreign conversation with a token that is none, or is one of the thief's own."""
        own = [one["session_token"] for one in thief.bundles if "session_token" in one]
        token = self._dice.choice([*own, "x", "A" * 32])
        return loot if "session_token" in loot else {**loot, "session_token": token}

    def _request(self, method: str, whose: Target, thief: Thief, bundle: Mapping[str, str]) -> bytes:
        made = self._template(method, whose, thief)
        self._fill(made, bundle, depth=0)
        if "session_id" in bundle and "session_token" in bundle and self._dice.random() < 0.8:
            for name in ("session_id", "session_token"):
                if name in made.DESCRIPTOR.fields_by_name:
                    setattr(made, name, bundle[name])
        raw = made.SerializeToString()
        if self._dice.random() < 0.02:
            return raw[: self._dice.randrange(len(raw) + 1)]
        return raw

    def _template(self, method: str, whose: Target, thief: Thief) -> message.Message:
        """Most often a request that names what they own."""
        template = self._templates.get(method.removeprefix("/kladez.v1."))
        if template and self._dice.random() < 0.7:
            return without_gifts(template[0](whose.owned), thief, whose)
        return message_factory.GetMessageClass(METHODS[method].input_type)()

    def _fill(self, made: message.Message, bundle: Mapping[str, str], depth: int) -> None:
        """Some fields anew, and what is named by the bundle more often."""
        for one in made.DESCRIPTOR.fields:
            if one.message_type is not None:
                self._fill_inner(made, one, bundle, depth)
            elif self._dice.random() < (0.7 if one.name in bundle else 0.15):
                self._set(made, one, bundle)

    def _fill_inner(
        self, made: message.Message, one: FieldDescriptor, bundle: Mapping[str, str], depth: int
    ) -> None:
        kind = one.message_type
        if kind is None or depth > 3 or self._dice.random() > 0.25:
            return
        if kind.GetOptions().map_entry:
            return
        if kind.full_name.startswith("google.protobuf."):
            self._set_googles(made, one, kind)
            return
        inner = getattr(made, one.name).add() if one.is_repeated else getattr(made, one.name)
        if not one.is_repeated:
            inner.SetInParent()
        self._fill(inner, bundle, depth + 1)

    def _set_googles(self, made: message.Message, one: FieldDescriptor, kind: Descriptor) -> None:
        if kind.name == "FieldMask":
            getattr(made, one.name).paths.append(
                self._dice.choice(("name", "title", "content", "settings", "*"))
            )
        elif kind.name == "Struct":
            getattr(made, one.name).update({"cost": self._dice.choice((1, "x", True, None, [1], {"a": 1}))})
        elif kind.name == "Value" and one.is_repeated:
            getattr(made, one.name).append(struct_pb2.Value(string_value=self._word()))

    def _set(self, made: message.Message, one: FieldDescriptor, bundle: Mapping[str, str]) -> None:
        value = self._value(one, bundle)
        if one.is_repeated:
            getattr(made, one.name).append(value)
        else:
            setattr(made, one.name, value)

    def _value(self, one: FieldDescriptor, bundle: Mapping[str, str]) -> Any:
        if one.enum_type is not None:
            return self._dice.choice([*one.enum_type.values_by_number, 99])
        if one.type == FieldDescriptor.TYPE_BOOL:
            return self._dice.random() < 0.5
        if one.type == FieldDescriptor.TYPE_STRING:
            return self._text(one.name, bundle)
        if one.type == FieldDescriptor.TYPE_BYTES:
            return self._dice.choice((b"", b"{}", b'{"faq": [{"question": "a", "answer": "b"}]}', b"\xff"))
        if one.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
            return self._dice.choice((0.0, 0.5, 1.0, -1.0, 1e300))
        return self._dice.choice((0, 1, 2, 5, 50, -1, 2**31 - 1))

    def _text(self, name: str, bundle: Mapping[str, str]) -> str:
        chance = self._dice.random()
        if name in bundle and chance < 0.85:
            return bundle[name] if chance < 0.75 else self._forged(bundle[name])
        if name in WORDS and chance < 0.9:
            return self._dice.choice(WORDS[name])
        if name.endswith(("_id", "_key")) and chance < 0.8:
            return str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        return self._word()

    def _forged(self, value: str) -> str:
        place = self._dice.randrange(len(value)) if value else 0
        return self._dice.choice(
            (
                value.upper(),
                value + "0",
                value[:-1],
                value[:place] + self._dice.choice("0aZ_-") + value[place + 1 :],
                f"urn:uuid:{value}",
                f"{{{value}}}",
                f" {value}",
            )
        )

    def _word(self) -> str:
        return self._dice.choice(
            ("", "cloves", "how are cloves dried in the sun?", "'; --", "\0", "я" * 40, "%", "*")
        )


WORDS: Mapping[str, Sequence[str]] = {
    "question": ("how are cloves dried?", "dried in the sun", "cloves", "thanks"),
    "query": ("how are cloves dried?", "dried in the sun", "cloves"),
    "language": ("en", "ru", ""),
    "channel": ("api", "widget", "telegram"),
    "source_type": ("article", "faq"),
    "external_id": ("cloves", "imported", "new"),
    "content": ("Pepper is ground.", "Cloves are whole."),
    "name": ("spices", "other"),
    "source": ("spices",),
    "visitor": ("ann", "bob"),
    "status": ("open", "pending", ""),
}

SPELLINGS = (
    lambda one: (("x-tenant-id", one),),
    lambda one: (("x-tenant-id", one),),
    lambda one: (("x-tenant-id", one),),
    lambda one: (("x-tenant-id", one.upper()),),
    lambda one: (("x-tenant-id", f"urn:uuid:{one}"),),
    lambda one: (("x-tenant-id", f"{{{one}}}"),),
    lambda one: (("x-tenant-id", one), ("x-tenant-id", one)),
    lambda one: (("x-tenant-id", str(uuid.UUID(int=1))), ("x-tenant-id", one)),
    lambda one: (("x-tenant-id", f"{one},{uuid.UUID(int=1)}"),),
    lambda _: (("x-tenant-id", "x"),),
    lambda _: (),
)


def is_gift(name: str, thief: Thief, victim: Target) -> bool:
    """What would be honoured: a proof of the thief's own tenant, or of any for a key that names none.

    And a group of questions: who answers one makes a document of it, and what was asked is public from then on.
    """
    if name == "group_id":
        return victim in (thief.home, *thief.visits)
    return name in PROOFS and "h" not in thief.sees and thief.home in (None, victim)


def without_proofs(victim: Target, thief: Thief) -> Mapping[str, str]:
    return {name: value for name, value in victim.loot.items() if not is_gift(name, thief, victim)}


def without_gifts(made: message.Message, thief: Thief, victim: Target) -> message.Message:
    for one in made.DESCRIPTOR.fields:
        if is_gift(one.name, thief, victim):
            made.ClearField(one.name)
    return made


@dataclass(frozen=True, kw_only=True)
class Leak:
    """What a thief was told."""

    method: str
    thief: str
    told: str


@dataclass(kw_only=True)
class Heist:
    """All calls and what came of them."""

    running: Running
    targets: Sequence[Target]
    codes: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    leaks: list[Leak] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._by_mark = {
            getattr(one.marks, kind.name).encode(): (one, kind.name[0])
            for one in self.targets
            for kind in fields(Marks)
        }
        self._by_id = {
            value.encode(): one
            for one in self.targets
            for value in one.loot.values()
            if UUID.fullmatch(value.encode())
        }

    async def attempt(self, call: Call) -> None:
        told, code = await self._answer(call)
        self.codes[code] += 1
        if code == "OK" or (len(told) > 1 and call.method in FOLLOWING):
            self.answered.add(call.method)
        if code == "OK":
            self._learn(call, told)
        for one in told:
            self.leaks += self.leaks_in(call, one)

    async def _answer(self, call: Call) -> tuple[list[bytes], str]:
        """Every message, or all that an error says; a stream that goes on is left."""
        told: list[bytes] = []
        try:
            async for one in self._messages(call):  # kept one by one: what came before an error counts too
                told.append(one)  # noqa: PERF401
        except grpc.aio.AioRpcError as error:
            pairs = [*(error.trailing_metadata() or ()), *(error.initial_metadata() or ())]
            spoken = b" ".join(value if isinstance(value, bytes) else value.encode() for _, value in pairs)
            # grpc.aio's client ends a stream with a status of its own when it is refused while it sends.
            is_ours = b"x-request-id" in b" ".join(name.encode() for name, _ in pairs)
            code = error.code().name if is_ours else f"{error.code().name} of the client"
            return [*told, f"{error.details()}".encode() + b" " + spoken], code
        return told, "OK"

    async def _messages(self, call: Call) -> AsyncIterator[bytes]:
        method, channel = METHODS[call.method], self.running.channel
        patience = FOLLOWING_SECONDS if call.method in FOLLOWING else PATIENCE_SECONDS
        known = {"metadata": call.metadata, "timeout": patience}
        if method.client_streaming:
            stream = channel.stream_stream(call.method)(iter(call.bodies), **known)
        elif method.server_streaming:
            stream = channel.unary_stream(call.method)(call.bodies[0], **known)
        else:
            yield await channel.unary_unary(call.method)(call.bodies[0], **known)
            return
        async for one in stream:
            yield one

    def _learn(self, call: Call, told: Sequence[bytes]) -> None:
        kind = message_factory.GetMessageClass(METHODS[call.method].output_type)
        for one in told[:3]:
            call.thief.learn(dict(named_values(kind.FromString(one))))

    def leaks_in(self, call: Call, told: bytes) -> Iterator[Leak]:
        sent = b" ".join((*call.bodies, repr(call.metadata).encode()))
        for mark in set(MARK.findall(told)):
            owner, kind = self._by_mark.get(mark, (None, ""))
            if owner and not self._may_see(call, owner, kind):
                yield Leak(method=call.method, thief=call.thief.name, told=mark.decode())
        for found in set(UUID.findall(told)):
            owner = self._by_id.get(found)
            if owner and found not in sent and not self._may_name(call, owner):
                yield Leak(method=call.method, thief=call.thief.name, told=found.decode())

    def _may_see(self, call: Call, owner: Target, kind: str) -> bool:
        """Names and greetings stand in every page; what is claimed by a code was shown by who was given it."""
        if kind == "p" and (call.thief.home in (None, owner)):
            return True
        if call.method.endswith("/ClaimHandoff") and owner in call.thief.visits:
            return kind in call.thief.sees
        return owner is call.acts_for and kind in call.thief.sees

    def _may_name(self, call: Call, owner: Target) -> bool:
        if call.method.endswith(("/ResolvePublicKey", "/ClaimHandoff")) and call.thief.home is None:
            return True
        return owner is call.acts_for or "operator" in call.thief.scopes


def named_values(told: message.Message) -> Iterator[tuple[str, str]]:
    for one, value in told.ListFields():
        if one.message_type is not None and not one.is_repeated:
            yield from named_values(value)
        elif one.name in LEARNT and isinstance(value, str) and value:
            yield ("page_token" if one.name == "next_page_token" else one.name), value


def scope_numbers(scopes: frozenset[str]) -> list[tenants_pb.Scope.ValueType]:
    return [tenants_pb.Scope.Value(f"SCOPE_{one.upper().replace(':', '_')}") for one in sorted(scopes)]


async def raid(heist: Heist, calls: Iterator[Call], *, at_once: int) -> None:
    async def thief() -> None:
        for call in calls:
            await heist.attempt(call)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(thief())
