"""kontrast."""
