"""Looking inside: probes that show what a representation looks like, and put a number on what is seen."""
