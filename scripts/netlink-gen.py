#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Generates the netlink family's policies, header and constants from its specification.

usage: netlink-gen.py [--check] --kernel KERNEL_SOURCE

From Documentation/netlink/specs/dst.yaml come
  src/sys/dst_uapi.h        the numbers, for C (the kernel's generator)
  src/sys/netlink_gen.h     prototypes of the handlers (the kernel's generator)
  src/sys/netlink_gen.c     policies, operations, family (the kernel's generator)
  src/control/uapi.rs       the numbers, for the module
  src/cli/netlink/uapi.rs   the same, for the program
With --check nothing is written; the exit status is 1 if a file is not what would be written.
"""

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

try:
    import yaml
except ImportError:
    sys.exit("netlink-gen.py: the Python module yaml is missing: install the package python3-yaml")

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPEC = "Documentation/netlink/specs/dst.yaml"
SCHEMA = "Documentation/netlink/genetlink.yaml"
C_OUTPUTS = [
    ("src/sys/dst_uapi.h", ["--mode", "uapi", "--header"]),
    ("src/sys/netlink_gen.h", ["--mode", "kernel", "--header"]),
    ("src/sys/netlink_gen.c", ["--mode", "kernel", "--source"]),
]
RUST_OUTPUTS = ["src/control/uapi.rs", "src/cli/netlink/uapi.rs"]


def adapt_c(text):
    """Names for a module of its own: C symbols that begin with dst_ belong to the network stack."""
    text = text.replace("dst_nl_", "dst_blk_nl_")
    for name in re.findall(r"^(?:extern )?const struct nla_policy dst_(?!blk_)(\w+)_nl_policy", text, re.MULTILINE):
        text = text.replace(f"dst_{name}_nl_policy", f"dst_blk_{name}_nl_policy")
    text = text.replace("#include <uapi/linux/dst.h>", '#include "dst_uapi.h"')
    text = text.replace(
        '#include <net/genetlink.h>\n\n#include "dst_uapi.h"\n\n/* Integer',
        '#include <net/genetlink.h>\n\n#include "netlink_gen.h"\n\n/* Integer',
    )
    # Specifications have no word for the capability that listening takes.
    text = text.replace('{ "events", }', '{ "events", GENL_MCAST_CAP_SYS_ADMIN, }')
    return text.replace(
        "/* To regenerate run: tools/net/ynl/ynl-regen.sh */",
        "/* To regenerate run: scripts/netlink-gen.py */",
    )


def generate_c(kernel):
    """Runs the kernel's generator on a copy of the specification beside the kernel's schema."""
    generator = os.path.join(kernel, "tools/net/ynl/pyynl/ynl_gen_c.py")
    if not os.path.exists(generator):
        sys.exit(f"netlink-gen.py: {kernel} is not a kernel source: {generator} is missing")
    results = {}
    with tempfile.TemporaryDirectory() as tree:
        os.makedirs(os.path.join(tree, os.path.dirname(SPEC)))
        shutil.copy(os.path.join(kernel, SCHEMA), os.path.join(tree, SCHEMA))
        shutil.copy(os.path.join(TOP, SPEC), os.path.join(tree, SPEC))
        # The generator takes the folder with this file for the top of the kernel tree.
        with open(os.path.join(tree, "MAINTAINERS"), "w", encoding="utf-8"):
            pass
        for path, mode in C_OUTPUTS:
            command = [sys.executable, "-B", generator, "--spec", os.path.join(tree, SPEC), *mode]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            if done.returncode != 0:
                sys.exit(f"netlink-gen.py: the kernel's generator failed:\n{done.stderr}")
            results[path] = adapt_c(done.stdout)
    return results


def upper(name):
    return name.upper().replace("-", "_")


def lower(name):
    return name.replace("-", "_")


def doc_lines(text, fallback, indent=""):
    lines = (text or fallback).strip().splitlines()
    return [f"{indent}/// {line}".rstrip() for line in lines]


def entry(item):
    return (item, None) if isinstance(item, str) else (item["name"], item.get("doc"))


def name_list(names, indent="    "):
    """A `NAMES` constant, one name a line as rustfmt has long arrays of strings."""
    one = f"{indent}pub const NAMES: &[&str] = &[{', '.join(chr(34) + n + chr(34) for n in names)}];"
    if len(one) <= 100 and len(one) - one.index("= ") - 3 <= 60:
        return [one]
    body = [f'{indent}    "{name}",' for name in names]
    return [f"{indent}pub const NAMES: &[&str] = &[", *body, f"{indent}];"]


def rust_definition(definition):
    name = definition["name"]
    if definition["type"] == "const":
        return [
            *doc_lines(definition.get("doc"), f"`{name}`"),
            f"pub const {upper(name)}: usize = {definition['value']};",
        ]
    flags = definition["type"] == "flags"
    kind = "Flags" if flags else "Values of"
    out = [*doc_lines(definition.get("doc"), f"{kind} `{name}`."), f"pub mod {lower(name)} {{"]
    names = []
    for value, item in enumerate(definition["entries"]):
        item_name, doc = entry(item)
        names.append(item_name)
        number = f"1 << {value}" if flags else str(value)
        out += doc_lines(doc, f"`{item_name}`", "    ")
        out.append(f"    pub const {upper(item_name)}: u32 = {number};")
    out.append("    /// The names in the order of the values.")
    return [*out, *name_list(names), "}"]


def rust_attributes(sets):
    out = ["/// Attributes, by the set that they belong to.", "pub mod attr {"]
    for index, space in enumerate(sets):
        if index:
            out.append("")
        out += doc_lines(space.get("doc"), f"Attributes of `{space['name']}`.", "    ")
        out.append(f"    pub mod {lower(space['name'])} {{")
        for value, attribute in enumerate(space["attributes"], 1):
            out += doc_lines(attribute.get("doc"), f"`{attribute['name']}`", "        ")
            out.append(f"        pub const {upper(attribute['name'])}: u16 = {value};")
        out.append("        /// The names; that of attribute 1 comes first.")
        out += name_list([a["name"] for a in space["attributes"]], "        ")
        out.append("    }")
    return [*out, "}"]


def generate_rust(spec):
    out = [
        "// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)",
        "",
        f"//! Names and numbers of the netlink family `{spec['name']}`.",
        "//!",
        f"//! Do not edit: `scripts/netlink-gen.py` makes this from `{SPEC}`.",
        "",
        "/// Name of the family.",
        f'pub const FAMILY_NAME: &str = "{spec["name"]}";',
        "/// Version of the family.",
        f"pub const FAMILY_VERSION: u8 = {spec.get('version', 1)};",
    ]
    for definition in spec["definitions"]:
        if definition["type"] != "const":
            out.append("")
        out += rust_definition(definition)
    out += ["", *rust_attributes(spec["attribute-sets"])]
    out += ["", "/// Operations and notifications.", "pub mod cmd {"]
    for value, operation in enumerate(spec["operations"]["list"], 1):
        out += doc_lines(operation["doc"], "", "    ")
        out.append(f"    pub const {upper(operation['name'])}: u8 = {value};")
    out += ["}", "", "/// Multicast groups.", "pub mod mcgrp {"]
    for group in spec["mcast-groups"]["list"]:
        out.append(f"    /// `{group['name']}`")
        out.append(f'    pub const {upper(group["name"])}: &str = "{group["name"]}";')
    return "\n".join([*out, "}", ""])


def differs(path, text):
    """Prints how the file at `path` differs from `text`."""
    try:
        with open(os.path.join(TOP, path), encoding="utf-8") as stream:
            old = stream.read()
    except FileNotFoundError:
        old = ""
    if old == text:
        return False
    diff = difflib.unified_diff(old.splitlines(), text.splitlines(), path, "generated", lineterm="")
    print("\n".join(list(diff)[:40]))
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kernel", required=True, help="a kernel source tree")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()

    with open(os.path.join(TOP, SPEC), encoding="utf-8") as stream:
        spec = yaml.safe_load(stream)
    results = generate_c(arguments.kernel)
    for path in RUST_OUTPUTS:
        results[path] = generate_rust(spec)

    if arguments.check:
        drift = [path for path, text in results.items() if differs(path, text)]
        if drift:
            sys.exit(f"netlink-gen.py: not up to date with {SPEC}: {', '.join(drift)}; "
                     "run scripts/netlink-gen.py --kernel KERNEL_SOURCE and commit the result")
        print(f"{len(results)} files are up to date with {SPEC}")
        return
    for path, text in results.items():
        path = os.path.join(TOP, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)


if __name__ == "__main__":
    main()
