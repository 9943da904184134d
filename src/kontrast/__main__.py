"""python -m kontrast: the command line, as torchrun -m kontrast starts it."""

from kontrast.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
