# SPDX-License-Identifier: Apache-2.0
"""Compares what the daemon says of itself on the bus with the reference.

introspection.py REFERENCE DUMP...: REFERENCE is dbus/org.nvmetctl1.xml, each DUMP what Introspect returned for one object. Every
interface of ours in one must be in the other, member by member: arguments, types, directions, annotations. And in the
reference each member has a comment that begins with its name and ends with the version that has it first.
"""

import re
import sys
from xml.dom import minidom

PREFIX = "org.nvmetctl1."
MEMBERS = ("method", "signal", "property")
problems = []


def children(element, *names):
    return [c for c in element.childNodes if c.nodeType == c.ELEMENT_NODE and c.tagName in names]


def annotations(element):
    return sorted((a.getAttribute("name"), a.getAttribute("value")) for a in children(element, "annotation"))


def describe(member):
    """What a client can see of a member, as a comparable value."""
    if member.tagName == "property":
        return (member.getAttribute("type"), member.getAttribute("access"), annotations(member))
    default = "in" if member.tagName == "method" else ""
    args = [(a.getAttribute("name"), a.getAttribute("type"), a.getAttribute("direction") or default)
            for a in children(member, "arg")]
    return (args, annotations(member))


def interfaces(path):
    found = {}
    for interface in children(minidom.parse(path).documentElement, "interface"):
        name = interface.getAttribute("name")
        if name.startswith(PREFIX):
            members = {(m.tagName, m.getAttribute("name")): m for m in children(interface, *MEMBERS)}
            found[name] = (interface, members)
    return found


def comment_before(element):
    node = element.previousSibling
    while node is not None and node.nodeType == node.TEXT_NODE and not node.data.strip():
        node = node.previousSibling
    return node.data.strip() if node is not None and node.nodeType == node.COMMENT_NODE else None


def check_comment(where, element):
    comment = comment_before(element)
    if comment is None:
        problems.append(f"{where}: no comment in the reference")
    elif not re.match(re.escape(element.getAttribute("name")) + r"\b", comment):
        problems.append(f"{where}: its comment does not begin with its name")
    elif not re.search(r"^\s*@since \d+\.\d+$", comment, re.M) or not re.search(r"@since \d+\.\d+$", comment):
        problems.append(f"{where}: its comment does not end with @since")
    elif len(comment.split("@since")[0].split()) < 3:
        problems.append(f"{where}: its comment says nothing")


def check_comments(reference):
    for name, (interface, members) in reference.items():
        check_comment(name, interface)
        for (_, member), element in members.items():
            check_comment(f"{name}.{member}", element)


def compare(name, wanted, actual):
    for key in sorted(wanted.keys() | actual.keys()):
        where = f"{name}.{key[1]}"
        if key not in actual:
            problems.append(f"{where}: is in the reference, but the daemon has no such {key[0]}")
        elif key not in wanted:
            problems.append(f"{where}: is missing in the reference: {actual[key].toxml()}")
        elif describe(wanted[key]) != describe(actual[key]):
            problems.append(f"{where}: {describe(wanted[key])} in the reference, {describe(actual[key])} in the daemon")


def main():
    reference = interfaces(sys.argv[1])
    seen = {}
    for path in sys.argv[2:]:
        seen.update(interfaces(path))
    check_comments(reference)
    for name in sorted(reference.keys() | seen.keys()):
        if name not in seen:
            problems.append(f"{name}: is in the reference, but no object has it")
        elif name not in reference:
            problems.append(f"{name}: is missing in the reference")
        else:
            compare(name, reference[name][1], seen[name][1])
    for problem in problems:
        print(problem)
    print(f"{len(seen)} interfaces, {sum(len(m) for _, m in seen.values())} members, {len(problems)} problems")
    return 1 if problems or not seen else 0


sys.exit(main())
