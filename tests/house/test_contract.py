"""Every method of the contract is guarded: it has a policy, and each policy guards a method."""

from __future__ import annotations

import ast

from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from retrieval_service.api.access.policies import POLICIES, SCOPES
from retrieval_service.server import MOST_MESSAGE_BYTES
from tests.house.repository import ROOT, methods_of, rpc_methods


def test_every_method_has_a_policy() -> None:
    assert sorted(rpc_methods().keys() - POLICIES.keys()) == []


def test_every_policy_names_a_real_method() -> None:
    borrowed = {path for file in (health_pb2, reflection_pb2) for path, _ in methods_of(file.DESCRIPTOR)}
    borrowed |= {path.replace(".v1alpha.", ".v1.") for path in borrowed}
    assert sorted(POLICIES.keys() - rpc_methods().keys() - borrowed) == []


def test_no_two_methods_share_a_request() -> None:
    """Page tokens are bound to their method by it."""
    requests = [method.input_type.full_name for method in rpc_methods().values()]
    assert len(set(requests)) == len(requests)


def test_none_of_our_methods_is_public() -> None:
    assert [path for path in rpc_methods() if not POLICIES[path].scopes] == []


def test_policies_ask_for_scopes_that_exist() -> None:
    assert {scope for policy in POLICIES.values() for scope in policy.scopes} <= set(SCOPES)


def test_every_listing_is_cut_to_what_a_client_can_read() -> None:
    listings = {
        method.name
        for method in rpc_methods().values()
        if "next_page_token" in method.output_type.fields_by_name
    }
    assert len(listings) > 10
    handlers = {
        node.name: ast.unparse(node)
        for file in (ROOT / "retrieval_service" / "api").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef)
    }
    assert [name for name in sorted(listings) if "pages.cut(" not in handlers[name]] == []


def test_every_method_leaves_the_gate_room_to_refuse_by_name() -> None:
    sizes = [policy.max_request_bytes for path, policy in POLICIES.items() if path in rpc_methods()]
    assert max(sizes) < MOST_MESSAGE_BYTES


def test_every_proto_names_the_same_go_package() -> None:
    found = {method.containing_service.file.GetOptions().go_package for method in rpc_methods().values()}
    assert found == {"kladez/v1;kladezv1"}
