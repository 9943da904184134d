"""The command line: `kontrast list | show | train | probe | report | embed | data | demo`."""

from kontrast.cli.main import main as main
