"""The demonstration: a server of its own, a repository made for it, a convoy, its story."""
