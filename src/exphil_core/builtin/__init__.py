"""The built-in parts, registered through the same entry points and hooks as anybody else's."""
