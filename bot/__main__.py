"""`python -m bot`, also installed as `assent`."""

import sys

from bot.cli.program import entry


def main() -> None:
    sys.exit(entry(sys.argv[1:]))


if __name__ == "__main__":
    main()
