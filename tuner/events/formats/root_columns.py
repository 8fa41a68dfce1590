"""Which columns the trees of a ROOT file have: told by their types, before any values are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tuner.errors import describe_error
from tuner.events.listing import Lists, Reason


@dataclass(frozen=True)
class TreeColumn:
    """A column of a tree: a branch, a leaf or a member of one, or a field of an RNTuple."""

    name: str
    type: str
    """As ROOT calls it, or as Awkward Array does."""
    why_not: str
    """Why it is no number and no text per event, as "holds std::vector<float> for each event"; empty where it is."""
    holder: Any
    """Branch of a TTree, or path of an RNTuple's field: what is read to have it."""
    path: tuple[str, ...] = ()
    """Members that lead to it from the outside in: in the branch, or in the RNTuple."""
    is_text: bool = False


@dataclass(frozen=True)
class _Leaf:
    """A form of Awkward Array that holds no record."""

    path: tuple[str, ...]
    type: str
    is_scalar: bool
    is_text: bool = False
    is_member_of_list: bool = False
    """It is a member of records of which an event has a list."""
    lists: Lists | None = None


def find_columns(tree: Any) -> list[TreeColumn]:
    """Return the columns of a TTree or an RNTuple, each name once: the first of a name, as in ROOT itself."""
    listed = _list_branches(tree) if hasattr(tree, "branches") else _list_fields(tree)
    return list({column.name: column for column in reversed(list(listed))}.values())[::-1]


def _list_branches(tree: Any) -> Iterator[TreeColumn]:
    """Yield the columns of a TTree. A branch of branches is told by these alone."""
    for name, branch in tree.iteritems():
        try:
            found = list(_list_branch(name, branch))
        except Exception as error:  # uproot raises whatever it stumbles on
            said = describe_error(error).rstrip(".")
            yield TreeColumn(name, "unknown", f"is of a type that uproot cannot read ({said})", branch)
            continue
        for column in found:
            if not column.why_not and branch.num_entries != tree.num_entries:
                why_not = f"holds {branch.num_entries:,} values for {tree.num_entries:,} events"
                yield TreeColumn(column.name, column.type, why_not, branch, column.path)
            else:
                yield column


def _list_branch(name: str, branch: Any) -> Iterator[TreeColumn]:
    """Yield the column of a branch, or those of its leaves and members, as `branch.leaf`; none where it is empty."""
    from uproot.interpretation.grouped import AsGrouped
    from uproot.interpretation.identify import UnknownInterpretation
    from uproot.interpretation.jagged import AsJagged
    from uproot.interpretation.numerical import Numerical
    from uproot.interpretation.objects import AsStridedObjects
    from uproot.interpretation.strings import AsStrings

    kind = branch.interpretation
    is_unknown = isinstance(kind, UnknownInterpretation)
    if isinstance(kind, AsGrouped) or (is_unknown and (branch.branches or "zero leaves" in str(kind.reason))):
        return
    if is_unknown:
        yield TreeColumn(name, "unknown", f"is of a type that uproot cannot read ({kind.reason})", branch)
    elif isinstance(kind, AsStrings):
        yield TreeColumn(name, branch.typename, "", branch, is_text=True)
    elif isinstance(kind, Numerical) or (isinstance(kind, AsJagged) and isinstance(kind.content, Numerical)):
        if isinstance(kind, AsStridedObjects):
            branch.array(entry_stop=1, library="ak")  # some of these are told of by uproot, and yet cannot be read
        leaves = list(_list_leaves(kind.awkward_form(branch.file)))
        for leaf in leaves:
            said = leaf.type if leaf.path or leaf.is_scalar else branch.typename
            why_not = _say_why_not(leaf, said)
            yield TreeColumn(".".join((name, *leaf.path)), said, why_not, branch, leaf.path, leaf.is_text)
    else:
        yield TreeColumn(name, branch.typename, f"holds {branch.typename} for each event", branch)


def _list_fields(tree: Any) -> Iterator[TreeColumn]:
    """Yield the columns of an RNTuple: its fields that are no records, and those within records."""
    types = {field.path: field.typename for field in tree.all_fields if field.path}
    # Form by form: `to_akform` looks through all fields for each field, minutes for thousands of them.
    inner = _list_paths(tree)
    leaves = (
        leaf
        for field in tree.fields
        for leaf in _list_leaves(tree.field_form(field.field_id, inner[field.field_id]), (field.name,))
    )
    for leaf in leaves:
        # The first and second of a pair are "0" and "1" in Awkward Array, and are read together.
        steps = [f"_{step}" if step.isdigit() else step for step in leaf.path]
        pair = next((number for number, step in enumerate(leaf.path) if step.isdigit()), len(steps))
        name = ".".join(steps)
        said = types.get(name) or leaf.type
        if not name.startswith("_collection"):  # its members have fields of their own
            yield TreeColumn(name, said, _say_why_not(leaf, said), ".".join(steps[:pair]), leaf.path, leaf.is_text)


def _list_paths(tree: Any) -> dict[int, list[str]]:
    """Return the paths of each top field of an RNTuple and of all fields within it, by the number of the top field."""
    parents = [record.parent_field_id for record in tree.field_records]
    paths: dict[int, list[str]] = {}
    for number, field in enumerate(tree.all_fields):
        top = number
        while parents[top] != top:
            top = parents[top]
        paths.setdefault(top, []).extend([field.path] if field.path else [])
    return paths


def _say_why_not(leaf: _Leaf, kind: str) -> str:
    """Return why a leaf is no number and no text per event; empty where it is."""
    if leaf.is_scalar:
        return ""
    said = f"holds a list of {kind} for each event" if leaf.is_member_of_list else f"holds {kind} for each event"
    return Reason(said, lists=leaf.lists)


def _list_leaves(form: Any, path: tuple[str, ...] = (), *, depth: int = 0, outer: int = 0) -> Iterator[_Leaf]:
    """Yield what the records of a form hold in the end.

    depth: lists around the form. outer: those of them that are around the record which it is a member of.
    """
    text = form.parameter("__array__") in ("string", "bytestring")
    if form.is_record:
        for name in form.fields:
            yield from _list_leaves(form.content(name), (*path, name), depth=depth, outer=depth)
    elif text or (form.is_numpy and not form.inner_shape):
        lists = Lists(are_conditions=form.primitive == "bool") if depth == 1 and not text and _is_real(form) else None
        yield _Leaf(path, str(form.type), not depth, text, outer > 0, lists)
    elif form.is_option:
        yield from _list_leaves(form.content, path, depth=depth, outer=outer)
    elif form.is_list:
        inner = form.content
        if _holds_record(inner):
            yield from _list_leaves(inner, path, depth=depth + 1, outer=outer)
        else:
            lists = None if depth else _find_lists(form)
            yield _Leaf(path, str(form.type), is_scalar=False, is_member_of_list=outer > 0, lists=lists)
    else:
        lists = None if depth or not form.is_numpy else _find_lists(form)
        yield _Leaf(path, str(form.type), is_scalar=False, is_member_of_list=outer > 0, lists=lists)


def _find_lists(form: Any) -> Lists | None:
    """Return which lists of numbers a form holds: lists of any length, or arrays; None where it holds others."""
    if form.is_numpy:
        return Lists(form.inner_shape[0], form.primitive == "bool") if len(form.inner_shape) == 1 else None
    inner = form.content
    while inner.is_option:
        inner = inner.content
    if not (inner.is_numpy and not inner.inner_shape and _is_real(inner)):
        return None
    return Lists(form.size if form.is_regular else None, inner.primitive == "bool")


def _is_real(form: Any) -> bool:
    """Return whether a form of NumPy holds real numbers, or yes and no."""
    return form.parameter("__array__") is None and form.primitive.startswith(("bool", "int", "uint", "float"))


def _holds_record(form: Any) -> bool:
    while form.is_list or form.is_option:
        form = form.content
    return bool(form.is_record)
