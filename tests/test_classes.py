"""The role of a class: its stated role, else that of its name; in training, that of its place."""

from __future__ import annotations

import pytest

from morphinfer.classes import (
    ROLES,
    LabelClass,
    default_classes,
    role_of,
    roles_by_name,
    values_of,
)
from morphinfer.errors import MorphinferError


@pytest.mark.parametrize(("name", "role"), [
    ("background", "background"), ("Background", "background"), ("TISSUE", "tissue"),
    ("glass", "target"), ("background ", "target"), ("target", "target"), ("", "target"),
])  # fmt: skip
def test_without_a_role_the_name_decides(name, role):
    assert role_of(name) == role
    assert LabelClass.of({"name": name, "colour": "#000000", "role": None}).role == role


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", ["background", "tissue", "glass"])
def test_a_stated_role_decides_whatever_the_name(name, role):
    assert role_of(name, role) == role


def test_an_unknown_role_is_refused():
    with pytest.raises(MorphinferError, match="class 'a' has the role 'Tissue'; a role is backgr"):
        role_of("a", "Tissue")


@pytest.mark.parametrize(("order", "background", "targets"), [
    ("bta", (0,), (2,)), ("atb", (2,), (0,)), ("tab", (2,), (1,)), ("ata", (), (0, 2)),
    ("bab", (0, 2), (1,)), ("", (), ()),
])  # fmt: skip
def test_the_values_of_a_role_follow_the_order_of_the_classes(order, background, targets):
    roles = {"b": "background", "t": "tissue", "a": "target"}
    classes = [LabelClass(f"{k}", "#000000", roles[r]) for k, r in enumerate(order)]
    assert values_of(classes, "background") == background
    assert values_of(classes, "target") == targets


def test_in_the_order_of_training_the_place_decides():
    classes = default_classes(("between", "stroma", "background", "b"), ("#1", "#2", "#3", "#4"))
    assert roles_by_name(classes) == {
        "between": "background", "stroma": "tissue", "background": "target", "b": "target",
    }  # fmt: skip
    assert [c.colour for c in classes] == ["#1", "#2", "#3", "#4"]
