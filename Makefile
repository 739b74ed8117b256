# The targets are the README's words. Everything they need they install.
