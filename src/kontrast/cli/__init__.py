"""The command line: `kontrast list | show | train | theory | lab | probe | report | embed | export | data | demo`."""

from kontrast.cli.main import main as main
