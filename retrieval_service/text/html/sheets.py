"""What the style elements of a document hide, as far as simple rules tell: `.hidden { display: none }`.

Only a class, an id, an element or several of them at once hide here. What a rule of any kind may show again, under
whichever screen, state or parent, stays: a tab or an answer that opens is there for readers. So does what a script
of the document names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from retrieval_service.text.html.styles import declarations, plain_style

# Of rules for one class and of classes of one element; with more nothing is hidden, for each is compared to each.
MOST_RULES = 20
MOST_CLASSES = 20

_BLOCK = re.compile(r"([^{}]*+)([{}]|\Z)")
_COMBINED = re.compile(r"[\s>+~]+")
_SIMPLE = re.compile(r"(?:[a-zA-Z][\w-]*+)?(?:[.#][\w-]++)*")
_STATE = re.compile(r"(?<!:):++[\w-]+(?:\([^)]{0,200}+\))?|\[[^\]]{0,200}+\]")
_PART = re.compile(r"[.#]?[\w-]+")
_SCRIPT_WORD = re.compile(r"[\w-]+")
# Pages that wait for their script hide these until then.
_WHOLE_PAGE = {frozenset({"html"}), frozenset({"body"})}
_HIDING = {"display": {"none"}, "visibility": {"hidden", "collapse"}}

Weight = tuple[bool, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`parts` are all that an element has to be: "p", ".note", "#terms"."""

    parts: frozenset[str]
    what: str
    hides: bool
    weight: Weight


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Rules by each of their parts."""

    rules: Mapping[str, frozenset[Rule]] = field(default_factory=dict[str, frozenset[Rule]])

    def hides(self, name: str, attributes: Mapping[str, str]) -> bool:
        if not self.rules:
            return False
        parts = _parts_of(name, attributes)
        buckets = [self.rules[part] for part in parts if part in self.rules]
        if len(parts) > MOST_CLASSES or any(len(bucket) > MOST_RULES for bucket in buckets):
            return False
        said = dict(declarations(attributes))
        met = [rule for bucket in buckets for rule in bucket if rule.parts <= parts]
        return any(_wins(rule, met, said) and not self._is_shown_again(rule) for rule in met if rule.hides)

    def _is_shown_again(self, hiding: Rule) -> bool:
        """ ".tab.active { display: block }" of ".tab"."""
        rules = self.rules[next(iter(hiding.parts))]
        return any(
            not rule.hides and rule.what == hiding.what and rule.parts >= hiding.parts for rule in rules
        )


def sheet_of(styles: Iterable[str], scripts: Iterable[str]) -> Sheet:
    scripted = {word for script in scripts for word in _SCRIPT_WORD.findall(script)}
    rules = defaultdict[str, set[Rule]](set)
    for rule in (rule for style in styles for rule in _rules(style)):
        if not (rule.hides and any(part[0] in ".#" and part[1:] in scripted for part in rule.parts)):
            for part in rule.parts:
                rules[part].add(rule)
    hides_any = any(rule.hides for bucket in rules.values() for rule in bucket)
    return Sheet(rules={part: frozenset(bucket) for part, bucket in rules.items()} if hides_any else {})


def _wins(hiding: Rule, met: Iterable[Rule], own: Mapping[str, str]) -> bool:
    """Of rules that weigh the same one that shows."""
    if hiding.what in own and own[hiding.what] not in _HIDING[hiding.what] and not hiding.weight[0]:
        return False
    shown = (rule.weight for rule in met if not rule.hides and rule.what == hiding.what)
    return all(hiding.weight > weight for weight in shown)


def _parts_of(name: str, attributes: Mapping[str, str]) -> frozenset[str]:
    classes = {f".{one}" for one in attributes.get("class", "").split()}
    ids = {f"#{attributes['id'].strip()}"} if "id" in attributes else set[str]()
    return frozenset({name} | classes | ids)


def _rules(style: str) -> Iterator[Rule]:
    for selectors, body, is_conditional in _blocks(plain_style(style).replace("<!--", "").replace("-->", "")):
        for what, value, is_important in _said(body):
            for selector in map(str.strip, selectors.split(",")):
                rule = _rule(selector, what, value, is_important=is_important)
                if rule and not (rule.hides and (is_conditional or not _SIMPLE.fullmatch(selector))):
                    yield rule


def _said(body: str) -> Iterator[tuple[str, str, bool]]:
    """Property, value, and whether it is important; the last of a property counts."""
    last = dict[str, tuple[str, bool]]()
    for declaration in body.lower().split(";"):
        what, _, value = declaration.partition(":")
        if what.strip() in _HIDING:
            last[what.strip()] = value.partition("!")[0].strip(), "!" in value
    yield from ((what, value, is_important) for what, (value, is_important) in last.items())


def _rule(selector: str, what: str, value: str, *, is_important: bool) -> Rule | None:
    """None where nothing names the element; what stands around the element is taken to be so."""
    last = _STATE.sub("", _COMBINED.split(selector)[-1])
    parts = frozenset(part if part[0] in ".#" else part.lower() for part in _PART.findall(last))
    if not parts or parts in _WHOLE_PAGE:
        return None
    classes = sum(selector.count(sign) for sign in ".:[")
    weight = (is_important, selector.count("#"), classes, len(_COMBINED.split(selector)))
    return Rule(parts=parts, what=what, hides=value in _HIDING[what], weight=weight)


def _blocks(style: str) -> Iterator[tuple[str, str, bool]]:
    """Selectors, declarations, and whether a condition such as "@media" is around them."""
    around: list[str] = []
    for block in _BLOCK.finditer(style):
        if block[2] == "{":
            around.append(block[1].rpartition(";")[2].strip())
        elif around:
            selectors = around.pop()
            if not selectors.startswith("@"):
                yield selectors, block[1], bool(around)
