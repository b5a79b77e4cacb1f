"""An LLRP reader for tests: the emulator of llrpkit, which the project did not write.

Prints "LISTENING port", then answers each line on standard input with "OK": "put EPC ANTENNA", "take EPC",
"antenna NUMBER on|off", "keepalive" (waits for the acknowledgement). Ends when standard input does.
"""

import asyncio
import sys

from llrpkit.emulator.core import EmulatedTag, LLRPEmulator


async def main() -> None:
    emulator = LLRPEmulator(tags=[], reads_per_sec=400.0)
    await emulator.start()
    print(f"LISTENING {emulator.port}", flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().split():
        match line:
            case ["put", epc, antenna]:
                emulator.tags.append(EmulatedTag(epc=bytes.fromhex(epc), antennas=(int(antenna),)))
            case ["take", epc]:
                emulator.tags[:] = [tag for tag in emulator.tags if tag.epc != bytes.fromhex(epc)]
            case ["antenna", number, state]:
                await emulator.set_antenna_connected(int(number), state == "on")
            case ["keepalive"]:
                await emulator.send_keepalive()
                await emulator.wait_keepalive_ack(10)
            case _:
                raise SystemExit(f"not known: {line}")
        print("OK", flush=True)


asyncio.run(main())
