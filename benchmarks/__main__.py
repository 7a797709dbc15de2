"""`make bench`: run every benchmark; machine, method and variance are printed with it."""

import asyncio
import os
import platform
import sqlite3

from benchmarks import answers, appending, delivery, dossier, proving, verifying


def main() -> None:
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}"
    )
    asyncio.run(delivery.main())
    asyncio.run(answers.main())
    asyncio.run(appending.main())
    asyncio.run(dossier.main())
    verifying.main()
    asyncio.run(proving.main())


if __name__ == "__main__":
    main()
