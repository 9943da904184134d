"""The command line: `kontrast list | show | train | theory | lab | probe | report | embed | data | demo`."""

from kontrast.cli.main import main as main
