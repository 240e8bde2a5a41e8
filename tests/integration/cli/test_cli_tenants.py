"""`kladez tenant create`, `get` and `update` reach everything that the contract lets a tenant have."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from kladez.v1 import tenant_service_pb2 as pb
from typer.testing import CliRunner

from retrieval_service.cli import main
from retrieval_service.cli import profile as profiles
from retrieval_service.cli.commands import tenant_fields
from retrieval_service.cli.commands.tenant_fields import Shape
from retrieval_service.cli.failures import BadInput
from tests.house.repository import command_lines
from tests.kits.cli_profiles import PROFILE
from tests.kits.service_kit import Running, new_shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What is said of each field on the command line, and what it then is; a field that is new needs a line here.
SAMPLES: dict[str, tuple[list[str], Any]] = {
    "name": (["Чайная"], "Чайная"),
    "settings.languages": (["pt", "en"], ["pt", "en"]),
    "settings.system_prompt": (["Be brief.\nBe kind."], "Be brief.\nBe kind."),
    "settings.fallback_contact": (["@@tea_shop"], "@tea_shop"),
    "settings.allowed_origins": (["https://a.example", "*"], ["https://a.example", "*"]),
    "settings.greetings": (
        ["ru=Привет = здравствуйте", "en=Hi"],
        {"ru": "Привет = здравствуйте", "en": "Hi"},
    ),
    "settings.suggested_questions": (
        ["en=Where?", "en=When?", "pt=Onde?"],
        {"en": ["Where?", "When?"], "pt": ["Onde?"]},
    ),
    "settings.chat_retention_days": (["30"], 30),
    "settings.index_granularity": (["document"], "document"),
    "settings.allowed_link_domains": (["shop.example"], ["shop.example"]),
    "settings.trusted_source_types": (["press", "news"], ["press", "news"]),
    "settings.untrusted_source_types": (["forum"], ["forum"]),
    "settings.quotas.questions_per_day": (["5000"], 5000),
    "settings.quotas.channel_questions_per_day": (["4000"], 4000),
    "settings.quotas.visitor_questions_per_day": (["30"], 30),
}


# The service runs in the same process, and logs meanwhile.
LOG_LINE = re.compile(r"\S+ \S+ \[(debug|info|warning|error) +\] ")


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """Command lines against a running service, in a thread, as `asyncio.run` wants."""

    address: str
    key_file: Path

    async def run(self, *words: str, fails: bool = False) -> str:
        """What it printed; a command that ends otherwise than expected fails the test."""
        line = ["--address", self.address, "--key-file", str(self.key_file), *words]
        done = await asyncio.to_thread(CliRunner().invoke, main.app, line)
        if fails:
            assert isinstance(done.exception, BadInput), done.output
            return str(done.exception)
        assert done.exit_code == 0, (done.output, done.exception)
        return "".join(line for line in done.stdout.splitlines(True) if not LOG_LINE.match(line))

    async def json(self, *words: str) -> dict[str, Any]:
        return json.loads(await self.run("--json", *words))


@pytest.fixture
def terminal(running: Running, tmp_path: Path) -> Terminal:
    key_file = tmp_path / "key"
    key_file.write_text(running.key)
    return Terminal(address=f"127.0.0.1:{running.port}", key_file=key_file)


@pytest_asyncio.fixture(loop_scope="module")
async def tenant_id(running: Running) -> str:
    return (await new_shop(running)).tenant_id


def options(field: tenant_fields.Field, texts: list[str]) -> list[str]:
    return [word for text in texts for word in (f"--{field.option}", text)]


def plain(value: Any) -> Any:
    """A field's value as Python has it."""
    if hasattr(value, "items"):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, pb.SuggestedQuestions):
        return list(value.questions)
    return value if isinstance(value, str | int | float | bool) else list(value)


def fields_by_path() -> dict[str, tenant_fields.Field]:
    return {field.dotted: field for field in tenant_fields.all_fields()}


async def stored(running: Running, tenant_id: str) -> pb.Tenant:
    return (await running.client.get_tenant(pb.GetTenantRequest(tenant_id=tenant_id))).tenant


async def test_every_field_of_the_contract_has_an_option_that_says_what_it_is() -> None:
    top = {one.name for one in pb.Tenant.DESCRIPTOR.fields} - tenant_fields.OUTPUT_ONLY
    assert {path.split(".", 1)[0] for path in fields_by_path()} == top
    assert SAMPLES.keys() == fields_by_path().keys()
    assert [path for path in fields_by_path() if path not in tenant_fields.NAMES] == []
    assert len({field.option for field in fields_by_path().values()}) == len(fields_by_path())


@pytest.mark.parametrize("path", SAMPLES)
async def test_every_field_is_set_by_an_update_and_shown(
    running: Running, terminal: Terminal, tenant_id: str, path: str
) -> None:
    field, (texts, expected) = fields_by_path()[path], SAMPLES[path]
    shown = await terminal.run("tenant", "update", tenant_id, *options(field, texts))
    tenant = await stored(running, tenant_id)
    assert plain(field.value(tenant)) == expected
    [line] = shown.splitlines()
    assert line.split("\t")[0] == field.option
    assert line.split("\t")[2] == " ".join(field.shown(tenant).split())
    assert await terminal.run("tenant", "update", tenant_id, *options(field, texts)) == "", "it is so already"
    sheet = await terminal.run("tenant", "get", tenant_id)
    assert f"{field.option}\t{' '.join(field.shown(tenant).split())}" in sheet


@pytest.mark.parametrize("path", [path for path in SAMPLES if path != "name"])
async def test_every_field_is_taken_back_to_its_default(
    running: Running, terminal: Terminal, tenant_id: str, path: str
) -> None:
    field, (texts, _) = fields_by_path()[path], SAMPLES[path]
    default = field.shown(await stored(running, tenant_id))
    await terminal.run("tenant", "update", tenant_id, *options(field, texts))
    await terminal.run("tenant", "update", tenant_id, "--clear", field.option)
    assert field.shown(await stored(running, tenant_id)) == default


async def test_every_field_is_set_at_the_creation(running: Running, terminal: Terminal) -> None:
    told = [
        word
        for path, (texts, _) in SAMPLES.items()
        if path != "name"
        for word in options(fields_by_path()[path], texts)
    ]
    created = await terminal.json("tenant", "create", "Чайная", *told)
    tenant = await stored(running, created["tenant_id"])
    assert {path: plain(field.value(tenant)) for path, field in fields_by_path().items()} == {
        path: expected for path, (_, expected) in SAMPLES.items()
    }


async def test_an_update_leaves_everything_else(running: Running, terminal: Terminal, tenant_id: str) -> None:
    for path, (texts, _) in SAMPLES.items():
        await terminal.run("tenant", "update", tenant_id, *options(fields_by_path()[path], texts))
    tenant = await stored(running, tenant_id)
    assert {path: plain(field.value(tenant)) for path, field in fields_by_path().items()} == {
        path: expected for path, (_, expected) in SAMPLES.items()
    }


# One more item for each list.
MORE = {
    "settings.languages": "ru",
    "settings.allowed_origins": "https://b.example",
    "settings.allowed_link_domains": "b.example",
    "settings.trusted_source_types": "blog",
    "settings.untrusted_source_types": "chat",
}


async def test_every_list_is_tried() -> None:
    assert {path for path, field in fields_by_path().items() if field.shape is Shape.LIST} == MORE.keys()


@pytest.mark.parametrize("path", MORE)
async def test_items_are_added_to_a_list_and_taken_out(
    running: Running, terminal: Terminal, tenant_id: str, path: str
) -> None:
    field, first = fields_by_path()[path], SAMPLES[path][0][0]
    await terminal.run("tenant", "update", tenant_id, f"--{field.option}", first)
    more = MORE[path]
    await terminal.run("tenant", "update", tenant_id, f"--add-{field.option}", more)
    assert list(field.value(await stored(running, tenant_id))) == [first, more]
    await terminal.run("tenant", "update", tenant_id, f"--remove-{field.option}", first)
    assert list(field.value(await stored(running, tenant_id))) == [more]
    refused = await terminal.run("tenant", "update", tenant_id, f"--remove-{field.option}", first, fails=True)
    assert refused == f"--remove-{field.option} {first}: is not there"


async def test_text_of_one_language_is_replaced_or_removed_alone(
    running: Running, terminal: Terminal, tenant_id: str
) -> None:
    update = ("tenant", "update", tenant_id)
    await terminal.run(*update, "--greeting", "ru=Привет", "--greeting", "en=Hi", "--suggestion", "en=Where?")
    await terminal.run(*update, "--greeting", "ru=", "--greeting", "pt=Olá", "--suggestion", "en=When?")
    settings = (await stored(running, tenant_id)).settings
    assert dict(settings.greetings) == {"en": "Hi", "pt": "Olá"}
    assert list(settings.suggested_questions["en"].questions) == ["When?"]


async def test_long_text_comes_from_a_file(
    running: Running, terminal: Terminal, tenant_id: str, tmp_path: Path
) -> None:
    (tmp_path / "prompt.txt").write_text("Be brief.\n\nBe kind.\n", encoding="utf-8")
    (tmp_path / "hello.txt").write_text("Olá!\nTudo bem?\n", encoding="utf-8")
    told = ("--system-prompt", f"@{tmp_path}/prompt.txt", "--greeting", f"pt=@{tmp_path}/hello.txt")
    await terminal.run("tenant", "update", tenant_id, *told)
    settings = (await stored(running, tenant_id)).settings
    assert settings.system_prompt == "Be brief.\n\nBe kind."
    assert settings.greetings["pt"] == "Olá!\nTudo bem?"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            ("--contact", "@tea_shop"),
            "--contact @tea_shop: the file cannot be read (No such file or directory)",
        ),
        (("--keep-chats-days", "a month"), "--keep-chats-days a month: must be a whole number"),
        (("--keep-chats-days", "-1"), "--keep-chats-days (tenant.settings.chat_retention_days): must be"),
        (("--origin", "shop.example/page"), "--origin (tenant.settings.allowed_origins[0]): must be"),
        (("--greeting", "Hello"), "--greeting Hello: must be key=value"),
        (("--greeting", "english=Hello"), "--greeting (tenant.settings.greetings[english]): must name"),
        (("--greeting", "en=a", "--greeting", "en=b"), "--greeting en=…: was given more than once"),
        (("--granularity", "word"), "--granularity (tenant.settings.index_granularity): must be one of"),
        (("--name", " "), "--name (tenant.name): is required"),
        (("--clear", "color"), "--clear color: must be one of name, language"),
        ((), "say what to change"),
    ],
)
async def test_what_is_wrong_is_said_of_the_option(
    running: Running, terminal: Terminal, tenant_id: str, told: tuple[str, ...], expected: str
) -> None:
    before = await stored(running, tenant_id)
    assert expected in await terminal.run("tenant", "update", tenant_id, *told, fails=True)
    assert await stored(running, tenant_id) == before


async def test_what_is_so_already_is_not_written(
    running: Running, terminal: Terminal, tenant_id: str
) -> None:
    before = await stored(running, tenant_id)
    assert await terminal.run("tenant", "update", tenant_id, "--name", before.name) == ""
    assert await stored(running, tenant_id) == before


async def test_json_is_the_tenant(running: Running, terminal: Terminal, tenant_id: str) -> None:
    updated = await terminal.json("tenant", "update", tenant_id, "--contact", "+1 555")
    assert updated["settings"]["fallback_contact"] == "+1 555"
    assert updated == await terminal.json("tenant", "get", tenant_id)


async def test_key_goes_into_a_file_and_not_to_the_terminal(
    running: Running, terminal: Terminal, tenant_id: str, tmp_path: Path
) -> None:
    file = tmp_path / "tenant-key"
    assert "kld_" not in await terminal.run("tenant", "key", tenant_id, "--to", str(file))
    assert file.stat().st_mode & 0o077 == 0
    own = Terminal(address=terminal.address, key_file=file)
    await own.run("status")
    assert "cannot be written" in await terminal.run("tenant", "key", "--to", "/nowhere/key", fails=True)


# --- which tenant

# Each changes something of a tenant or shows it, and needs no other word.
ANOTHER = "00000000-0000-0000-0000-000000000001"
ABOUT_ONE = {
    "get": ["get"],
    "update": ["update", "--contact", "+1 555"],
    "granularity": ["granularity", "document"],
    "undelete": ["undelete"],
    "rotate-key": ["rotate-key"],
}


def commands_with_a_tenant() -> set[str]:
    """Those that take a tenant's id, by their help."""
    named = {line.removeprefix("kladez tenant "): command for line, command in command_lines().items()}
    return {
        name
        for name, command in named.items()
        if any("tenant" in (one.metavar or one.name or "").lower() for one in command.params)
    }


async def test_every_command_about_a_tenant_is_tried() -> None:
    of_tenants = {line.split()[2] for line in command_lines() if line.startswith("kladez tenant ")}
    assert {*ABOUT_ONE, "key", "delete"} == of_tenants & commands_with_a_tenant()


@pytest.mark.parametrize("command", ABOUT_ONE)
@pytest.mark.parametrize("told_by", ["argument", "option", "variable", "profile"])
async def test_tenant_is_that_of_the_argument_the_option_the_variable_or_the_profile(
    running: Running,
    terminal: Terminal,
    tenant_id: str,
    told_by: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    first, *rest = ABOUT_ONE[command]
    other = (await new_shop(running)).tenant_id
    words = ["--json", "--data-dir", str(tmp_path)]
    if told_by == "variable":
        monkeypatch.setenv("KLADEZ_TENANT", tenant_id)
    elif told_by == "profile":
        await save_profile(tmp_path, terminal.address, tenant_id)
    else:
        monkeypatch.setenv("KLADEZ_TENANT", other)
    words += ["--tenant", tenant_id] if told_by == "option" else []
    words += ["tenant", first, *([tenant_id] if told_by == "argument" else []), *rest]
    assert json.loads(await terminal.run(*words))["tenant_id"] == tenant_id


async def save_profile(folder: Path, address: str, tenant_id: str) -> None:
    profile = replace(PROFILE, service_address=address, tenant_id=tenant_id)
    await asyncio.to_thread(profiles.save, folder, profile)


async def test_tenant_of_a_profile_is_none_of_another_service(terminal: Terminal, tmp_path: Path) -> None:
    await save_profile(tmp_path, PROFILE.service_address, PROFILE.tenant_id)
    refused = await terminal.run("--data-dir", str(tmp_path), "tenant", "rotate-key", fails=True)
    assert refused.startswith("which tenant?")


async def test_delete_wants_its_tenant_on_the_command_line(
    running: Running, terminal: Terminal, tenant_id: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await save_profile(tmp_path, terminal.address, tenant_id)
    monkeypatch.setenv("KLADEZ_TENANT", tenant_id)
    here = ("--data-dir", str(tmp_path))
    assert "name its id on the command line" in await terminal.run(*here, "tenant", "delete", fails=True)
    assert not (await stored(running, tenant_id)).HasField("delete_time")
    await terminal.run(*here, "--tenant", tenant_id, "tenant", "delete")
    assert (await stored(running, tenant_id)).HasField("delete_time")


@pytest.mark.parametrize("command", [*ABOUT_ONE, "delete", "key"])
async def test_empty_or_second_tenant_on_the_command_line_is_refused(
    running: Running, terminal: Terminal, tenant_id: str, command: str
) -> None:
    first, *rest = ABOUT_ONE.get(command, [command])
    before = await stored(running, tenant_id)
    assert "is empty" in await terminal.run("tenant", first, "", *rest, fails=True)
    assert "is empty" in await terminal.run("--tenant", "", "tenant", first, *rest, fails=True)
    two = await terminal.run("--tenant", ANOTHER, "tenant", first, tenant_id, *rest, fails=True)
    assert two == f"--tenant {ANOTHER} and the argument {tenant_id} name two tenants; give one"
    assert await stored(running, tenant_id) == before


@pytest.mark.parametrize("words", [["whole"], ["a", "b", "document"], ["document", "a"]])
async def test_wrong_granularity_is_a_usage_error(terminal: Terminal, words: list[str]) -> None:
    line = [
        "--address",
        terminal.address,
        "--key-file",
        str(terminal.key_file),
        "tenant",
        "granularity",
        *words,
    ]
    done = await asyncio.to_thread(CliRunner().invoke, main.app, line)
    assert done.exit_code == 2
    assert "say chunk or document" in " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize("told_by", ["option", "variable"])
async def test_key_is_of_the_tenant_that_is_told(
    terminal: Terminal, tenant_id: str, told_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of every tenant, as it is when none is told."""
    told = []
    if told_by == "variable":
        monkeypatch.setenv("KLADEZ_TENANT", tenant_id)
    else:
        told = ["--tenant", tenant_id]
    assert (await terminal.json(*told, "tenant", "key"))["api_key"]["tenant_id"] == tenant_id
    monkeypatch.delenv("KLADEZ_TENANT", raising=False)
    assert not (await terminal.json("tenant", "key")).get("api_key", {}).get("tenant_id")
