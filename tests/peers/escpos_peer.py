"""A point of sale with python-escpos: asks a printer how it is, and prints. One command a line on standard input."""

import sys

from escpos.printer import Network

host, port = sys.argv[1].rsplit(":", 1)


def connected():
    printer = Network(host, int(port), timeout=5)
    printer.open()
    return printer


print("ready", flush=True)
for line in sys.stdin:
    word = line.split()[0]
    printer = connected()
    if word == "online":
        print("online", printer.is_online(), flush=True)
    elif word == "paper":
        print("paper", printer.paper_status(), flush=True)
    elif word == "print":
        printer.text("A001\n")
        printer.cut()
        print("printed", flush=True)
    printer.close()
