"""Models at play in the sandbox: who plays, many games side by side, and what comes of them."""
