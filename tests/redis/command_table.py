#!/usr/bin/env python3
"""Writes the command table of docs/redis.md from the server's own COMMAND DOCS.

  command_table.py --nokv build/release/nokv [--check | --write]

--check fails if the document differs from what the server tells.
"""

import argparse
import os
import sys

import resp

DOCUMENT = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "redis.md")
BEGIN, END = "<!-- commands -->\n", "<!-- end of commands -->\n"


def syntax(arguments):
    words = []
    for argument in arguments or []:
        argument = dict(zip(argument[::2], argument[1::2]))
        parts = argument.get(b"arguments")
        if argument[b"type"] == b"oneof":
            text = "\\|".join(syntax([part]) for part in parts)
        elif argument[b"type"] == b"block":
            text = syntax(parts)
        else:
            text = "" if argument[b"type"] == b"pure-token" else argument[b"name"].decode()
        token = argument.get(b"token", b"").decode()
        text = (token + " " + text).strip()
        flags = [str(flag) for flag in argument.get(b"flags", [])]
        if "multiple" in flags:
            text += " ..."
        if "optional" in flags:
            text = "[" + text + "]"
        elif argument[b"type"] == b"oneof":
            text = "(" + text + ")"
        words.append(text)
    return " ".join(words)


def rows(docs, prefix=""):
    for name, doc in sorted(zip(docs[::2], docs[1::2])):
        doc = dict(zip(doc[::2], doc[1::2]))
        full = name.decode().upper().replace("|", " ")
        if b"subcommands" not in doc or doc.get(b"arguments") or full == "COMMAND":
            yield "| `%s` | %s | %s | %s |\n" % (
                (full + " " + syntax(doc.get(b"arguments"))).strip().replace("\\|", "\\|"),
                doc[b"group"].decode(), doc[b"since"].decode(), doc[b"summary"].decode())
        yield from rows(doc.get(b"subcommands", []))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nokv", required=True)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    server = resp.start_nokv(options.nokv)
    docs = resp.Connection(server.port)("COMMAND", "DOCS")
    server.stop()
    server.remove()
    table = BEGIN + "| command | group | of Redis | what it does here |\n|---|---|---|---|\n" + "".join(rows(docs)) + END
    with open(DOCUMENT) as document:
        text = document.read()
    before, rest = text.split(BEGIN)
    updated = before + table + rest.split(END)[1]
    if options.check and updated != text:
        print("docs/redis.md does not list the commands the server has: run command_table.py --write")
        return 1
    if options.write:
        with open(DOCUMENT, "w") as document:
            document.write(updated)
    return 0


if __name__ == "__main__":
    sys.exit(main())
