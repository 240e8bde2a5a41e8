"""docs/reference/commands.md, from the commands and their help."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from docs.generators import code, markdown

INTRODUCTION = """
`kladez COMMAND --help` shows the same. Every command takes the options of the first table, at any place of the line.
`kladez tenant …` uses them too where its argument is left out. Only `kladez tenant delete` wants the tenant on the
line itself. Two more programs run one part each and take no options: `kladez-bot` and `kladez-gateway`.

A key never needs to stand on a command line, where other accounts of the machine could read it: use `--key-file`.
"""


def commands_page() -> str:
    """The text of docs/reference/commands.md."""
    found = code.command_lines()
    blocks = [INTRODUCTION, "## Options of every command", option_table(code.root_command().params)]
    blocks += ["## All commands", overview(found)]
    for group, names in groupby(found, group_of):
        listed = list(names)
        blocks.append(f"## {group}")
        blocks += [section(name, found[name]) for name in listed]
    return markdown.page("Commands", *blocks)


def group_of(name: str) -> str:
    """The heading of a command: its group, or one for those that have none."""
    words = name.split()
    return f"`{' '.join(words[:2])} …`" if len(words) > 2 else "`kladez …`"


def overview(found: dict[str, Any]) -> str:
    rows = [(f"[`{name}`](#{name.replace(' ', '-')})", paragraphs(one)[0]) for name, one in found.items()]
    return markdown.table(("command", "does"), rows)


def section(name: str, command: Any) -> str:
    """One command: what it does, how it is called, and its options."""
    blocks = [f"### {name}", *paragraphs(command), f"```sh\n{usage(name, command)}\n```"]
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    if arguments:
        rows = [(markdown.code(argument_name(one)), one.help or "") for one in arguments]
        blocks.append(markdown.table(("argument", "meaning"), rows))
    if options:
        blocks.append(option_table(options))
    return "\n\n".join(blocks)


def paragraphs(command: Any) -> list[str]:
    return [" ".join(part.split()) for part in (command.help or "").split("\n\n")]


def usage(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    words = [argument_name(one) if one.required else f"[{argument_name(one)}]" for one in arguments]
    takes_options = any(one.param_type_name == "option" for one in command.params)
    return " ".join([name, *words, *(["[OPTIONS]"] if takes_options else [])])


def argument_name(argument: Any) -> str:
    return str(argument.name).upper()


def option_table(options: list[Any]) -> str:
    rows = [
        (markdown.codes([*one.opts, *one.secondary_opts]), default_of(one), with_variable(one))
        for one in options
        if one.name not in ("help", "install_completion", "show_completion")
    ]
    return markdown.table(("option", "default", "meaning"), rows)


def default_of(option: Any) -> str:
    """The default, where it says something that the meaning does not."""
    if option.default in (None, "", False, ()) or callable(option.default):
        return ""
    if option.default is True:
        return markdown.code(option.opts[0])
    return markdown.code(str(getattr(option.default, "value", option.default)))


def with_variable(option: Any) -> str:
    words = option.help or ""
    return f"{words} Variable: `{option.envvar}`." if option.envvar else words
