"""Options for kinds of fields that the contract may have one day."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, struct_pb2

from retrieval_service.cli.commands import tenant_fields
from retrieval_service.cli.commands.tenant_fields import Changes, Field
from retrieval_service.cli.failures import BadInput

FUTURE = """
name: "future.proto" package: "future" syntax: "proto3"
dependency: "google/protobuf/duration.proto" dependency: "google/protobuf/struct.proto"
enum_type { name: "Mood" value { name: "MOOD_UNSPECIFIED" number: 0 } value { name: "MOOD_CALM" number: 1 } }
message_type {
  name: "Tenant"
  field { name: "is_open" number: 1 type: TYPE_BOOL label: LABEL_OPTIONAL }
  field { name: "share" number: 2 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
  field { name: "mood" number: 3 type: TYPE_ENUM type_name: ".future.Mood" label: LABEL_OPTIONAL }
  field { name: "moods" number: 4 type: TYPE_ENUM type_name: ".future.Mood" label: LABEL_REPEATED }
  field { name: "patience" number: 5 type: TYPE_MESSAGE type_name: ".google.protobuf.Duration" label: LABEL_OPTIONAL }
  field { name: "theme" number: 6 type: TYPE_MESSAGE type_name: ".future.Theme" label: LABEL_OPTIONAL }
  field { name: "themes" number: 7 type: TYPE_MESSAGE type_name: ".future.Theme" label: LABEL_REPEATED }
  field { name: "seats" number: 8 type: TYPE_INT32 label: LABEL_OPTIONAL }
  field { name: "bytes" number: 9 type: TYPE_UINT64 label: LABEL_OPTIONAL }
  field { name: "facts" number: 10 type: TYPE_MESSAGE type_name: ".google.protobuf.Struct" label: LABEL_OPTIONAL }
  field { name: "hours" number: 11 type: TYPE_MESSAGE type_name: ".google.protobuf.ListValue" label: LABEL_OPTIONAL }
}
message_type { name: "Theme" field { name: "accent_color" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL } }
"""


def made() -> Any:
    """An empty message of a contract to come."""
    from google.protobuf import text_format

    pool = descriptor_pool.DescriptorPool()
    for known in (duration_pb2, struct_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.Add(text_format.Parse(FUTURE, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("future.Tenant"))()


def told(tenant: Any, option: str, *given: str) -> Field:
    field = next(one for one in tenant_fields.fields_of(tenant.DESCRIPTOR) if one.option == option)
    tenant_fields.apply(tenant, field, Changes(given=given))
    return field


@pytest.mark.parametrize(
    ("option", "given", "shown"),
    [
        ("is-open", ["yes"], "true"),
        ("share", ["0.25"], "0.25"),
        ("mood", ["calm"], "MOOD_CALM"),
        ("mood", ["MOOD_CALM"], "MOOD_CALM"),
        ("moods", ["calm", "calm"], "MOOD_CALM, MOOD_CALM"),
        ("patience", ["90s"], '"90s"'),
        ("accent-color", ["#fff"], "#fff"),
        ("themes", ['{"accent_color": "#fff"}'], '{"accentColor": "#fff"}'),
        ("facts", ['{"founded": {"year": 1999}}'], '{"founded": {"year": 1999.0}}'),
        ("hours", ["[9, 18]"], "[9.0, 18.0]"),
    ],
)
def test_field_of_any_kind_is_set_and_shown(option: str, given: list[str], shown: str) -> None:
    tenant = made()
    assert told(tenant, option, *given).shown(tenant) == shown


@pytest.mark.parametrize(
    ("option", "given", "fault"),
    [
        ("is-open", "perhaps", "must be one of true, yes"),
        ("share", "much", "must be a number"),
        ("mood", "merry", "must be one of calm"),
        ("patience", "long", "--patience long:"),
        ("themes", '{"size": 1}', "--themes"),
        ("seats", "99999999999999", "--seats 99999999999999: must be between -2147483648 and 2147483647"),
        ("seats", "1e3", "must be a whole number"),
        ("bytes", "-1", "--bytes -1: must be between 0 and 18446744073709551615"),
    ],
)
def test_value_that_cannot_be_read_is_said_of_its_option(option: str, given: str, fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        told(made(), option, given)


FITTING = [
    ("themes", '{"accent_color": "#fff"}'),
    ("facts", '{"accent_color": "#fff"}'),
    ("facts", '{"accent_color": 7}'),
    ("facts", '{"accent_color": {}}'),
    ("facts", '{"a": 1, "a": [{"b": NaN}]}'),
    ("hours", "[[1]]"),
]
DEEP = ['{"a":' * 100_000, "[" * 100_000, '{"a":' * 300 + "1" + "}" * 300]


@pytest.mark.parametrize("option", ["themes", "facts", "hours", "patience"])
@pytest.mark.parametrize(
    "given",
    [
        *DEEP,
        "",
        "{",
        "{]",
        "Monday",
        '"Monday"',
        "7",
        "null",
        "true",
        "NaN",
        '{"accent_color": "#fff"}',
        '{"accent_color": 7}',
        '{"accent_color": {}}',
        '{"a": 1, "a": [{"b": NaN}]}',
        "[[1]]",
        '["\\ud800"]',
    ],
    ids=lambda given: given[:12] or "empty",
)
def test_any_text_for_an_option_that_takes_json_is_taken_or_refused_by_its_name(
    option: str, given: str
) -> None:
    tenant = made()
    try:
        field = told(tenant, option, given)
    except BadInput as error:
        refusal = str(error)
    else:
        assert field.value(tenant)
        assert (option, given) in FITTING
        return
    assert refusal.startswith(f"--{option} {given[:60]}")
    assert len(refusal) < 300


@pytest.mark.parametrize(
    ("option", "given", "fault"),
    [
        ("themes", DEEP[0], "is nested too deeply"),
        ("facts", DEEP[0], "is nested too deeply"),
        ("hours", DEEP[1], "is nested too deeply"),
        ("themes", "[]", "must be a JSON object"),
        ("themes", "7", "must be a JSON object"),
        ("themes", "blue", "is not JSON"),
        ("facts", "{", "is not JSON"),
        ("themes", '{"accent_color": 7}', "accent_color"),
    ],
)
def test_json_that_does_not_fit_is_refused_with_the_reason(option: str, given: str, fault: str) -> None:
    with pytest.raises(BadInput, match=f"^--{option} .*{fault}"):
        told(made(), option, given)


def test_field_without_a_name_of_ours_has_its_own() -> None:
    options = [one.option for one in tenant_fields.fields_of(made().DESCRIPTOR)]
    assert options == [
        "is-open",
        "share",
        "mood",
        "moods",
        "patience",
        "accent-color",
        "themes",
        "seats",
        "bytes",
        "facts",
        "hours",
    ]
